/** Says which steps of a sequence are padding. */
import { dtypes } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import { type CommonOptions, type Layer, layer } from './layer.ts'
import { setMask } from './mask.ts'

/**
 * Marks the padding of `[batch, time, features]` for the attention and recurrent layers behind it, and makes it zero. Of one input, a step is padding
 * when all of its features are `maskValue` (default 0). A second input says it instead: `[batch, time]`, where 0 is padding, or the number of real
 * steps, integers `[batch]`. Integers `[batch, time]` need the second input; embedding hands their mask on. Padding stands behind the real steps.
 * Errors: `input` for other shapes.
 * @example masking()([vectors, lengths])
 */
export function masking(options: CommonOptions & { maskValue?: number } = {}): Layer {
  const { maskValue = 0 } = options
  return layer({
    kind: 'masking',
    config: { ...options, maskValue },
    arity: 'many',
    apply: ({ g }, inputs) => {
      const [x, given] = inputs
      const shape = x ? shapeOf(x) : []
      const time = shape[1]
      const rank = given ? 2 : 3
      if (!x || inputs.length > 2 || shape.length < rank || typeof time !== 'number') {
        const found = inputs.map((input) => formatShape(shapeOf(input))).join(', ') || 'none'
        throw new QuernError('input', `masking needs [batch, time, features] and perhaps a mask, received ${found}`)
      }
      const mask = given ? maskFrom(g, given, shape[0]!, time) : maskAt(g, x, maskValue)
      const isNumeric = dtypes[dtypeOf(x)].kind === 'float' && shape.length > 2
      const axes = shape.slice(2).map((_, i) => i + 2)
      // A new value: others that read x do not get the mask.
      return setMask(isNumeric ? g.mul(x, g.unsqueeze(mask, axes)) : g.op('Identity', [x]), mask)
    },
  })
}

/** 1 where any feature is not `maskValue`. */
function maskAt(g: Emitter, x: Value, maskValue: number): Value {
  const shape = shapeOf(x)
  const differs = g.cast(g.op('Not', [g.equal(x, maskValue)]), 'float32')
  return g.op('ReduceMax', [differs, g.integers(shape.slice(2).map((_, i) => i + 2))], { keepdims: 0 })
}

function maskFrom(g: Emitter, given: Value, batch: number | string, time: number): Value {
  const shape = shapeOf(given)
  const dtype = dtypeOf(given)
  if (shape.length === 2 && shape[1] === time && shape[0] === batch) {
    if (dtype === 'bool') return g.cast(given, 'float32')
    return g.cast(g.op('Not', [g.equal(given, 0)]), 'float32')
  }
  if (shape.length === 1 && shape[0] === batch && (dtype === 'int32' || dtype === 'int64')) {
    const steps = g.constant(
      tensorFromNumbers(
        dtype,
        [time],
        Array.from({ length: time }, (_, i) => i),
      ),
      'steps',
    )
    return g.cast(g.less(steps, g.unsqueeze(given, [1])), 'float32')
  }
  throw new QuernError(
    'input',
    `masking needs a mask ${formatShape([batch, time])} or lengths int32 ${formatShape([batch])}, received ${dtype} ${formatShape(shape)}`,
  )
}
