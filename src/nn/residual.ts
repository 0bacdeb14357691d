/** A way around a layer. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { shapeOf } from '../graph/graph.ts'
import { type Activation, activate, activationName } from './activations.ts'
import { type CommonOptions, type Layer, layer } from './layer.ts'

export interface ResidualOptions extends CommonOptions {
  /** what the way around goes through, where the layer changes the shape; default: nothing */
  readonly shortcut?: Layer
  /** of the sum; default linear */
  readonly activation?: Activation
}

/**
 * activation(layer(x) + shortcut(x)) (He et al. 2016). Parameters: `layer/...` and `shortcut/...`.
 * Errors: `input` when the layer and the way around it give different shapes.
 * @example residual(sequential([conv2d({ filters: 8, kernelSize: 3, padding: 'same' }), batchNormalization()]), { activation: 'relu' })
 */
export function residual(inner: Layer, options: ResidualOptions = {}): Layer {
  const { shortcut, activation, ...rest } = options
  return layer({
    kind: 'residual',
    config: {
      ...rest,
      activation: activationName(activation),
      layer: { kind: inner.kind, ...inner.config },
      ...(shortcut ? { shortcut: { kind: shortcut.kind, ...shortcut.config } } : {}),
    },
    keepsMask: 'first',
    apply: (c, [x]) => {
      const through = c.inner('layer', inner, [x!])
      const around = shortcut ? c.inner('shortcut', shortcut, [x!]) : x!
      const [a, b] = [shapeOf(through), shapeOf(around)]
      if (a.length !== b.length || a.some((dim, i) => dim !== b[i])) {
        throw new QuernError(
          'input',
          `residual: the layer gives ${formatShape(a)}, the way around ${formatShape(b)}: they cannot be added`,
          { hint: 'Give a shortcut of the same result: { shortcut: conv2d({ filters, kernelSize: 1, strides }) }.' },
        )
      }
      return activate(c.g, c.g.add(through, around), activation)
    },
  })
}
