/** One layer at every step of a sequence. */
import { QuernError } from '../core/errors.ts'
import { formatShape, isStatic, type Shape } from '../core/shape.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import { type CommonOptions, type Layer, layer } from './layer.ts'

/**
 * Applies a layer to each step by itself, with the same parameters: `[batch, time, ...]` -> `[batch, time, ...what the layer gives]`. To the layer
 * the steps are examples: batch normalisation takes its statistics over all of them. Parameters: `layer/...`.
 * @example timeDistributed(conv2d({ filters: 8, kernelSize: 3 }))      // [batch, frames, channels, height, width]
 */
export function timeDistributed(inner: Layer, options: CommonOptions = {}): Layer {
  const kind = 'timeDistributed'
  return layer({
    kind,
    config: { ...options, layer: { kind: inner.kind, ...inner.config } },
    keepsMask: 'first',
    apply: (c, [x]) => {
      const [batch, time, ...step] = shapeOf(x!)
      if (batch === undefined || typeof time !== 'number' || !isStatic(step)) {
        throw new QuernError('input', `${kind} needs [batch, time, ...], received ${formatShape(shapeOf(x!))}`)
      }
      const steps = typeof batch === 'number' ? batch * time : `${batch}*${time}`
      const y = c.inner('layer', inner, [reshape(c.g, x!, [steps, ...step])])
      return reshape(c.g, y, [batch, time, ...shapeOf(y).slice(1)])
    },
  })
}

/** As g.reshape, for a first dimension whose name inference cannot find. */
function reshape(g: Emitter, x: Value, shape: Shape): Value {
  if (isStatic(shape)) return g.reshape(x, shape)
  const sizes = g.integers(shape.map((dim, i) => (i === 0 ? -1 : (dim as number))))
  const [y] = g.builder.node({ op: 'Reshape', inputs: [x, sizes], outputs: [{ dtype: dtypeOf(x), shape }] })
  return y!
}
