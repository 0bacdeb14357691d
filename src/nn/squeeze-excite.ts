/** Weights of channels from what the whole image holds. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { shapeOf } from '../graph/graph.ts'
import { type Activation, activationName } from './activations.ts'
import { dense } from './dense.ts'
import { type CommonOptions, type Layer, layer } from './layer.ts'
import { positiveInteger } from './options.ts'

export interface SqueezeExciteOptions extends CommonOptions {
  /** the hidden layer has this part of the channels, at least one unit; default 16 */
  readonly ratio?: number
  /** of the hidden layer; default relu */
  readonly activation?: Activation
}

/**
 * x * sigmoid(W f(V mean(x))), a factor a channel (Hu et al. 2018): `[batch, channels, ...]` -> the same shape. Parameters: `squeeze/...` and
 * `excite/...`.
 */
export function squeezeExcite(options: SqueezeExciteOptions = {}): Layer {
  const kind = 'squeezeExcite'
  const { activation = 'relu' } = options
  const ratio = positiveInteger(kind, 'ratio', options.ratio ?? 16)
  return layer({
    kind,
    config: { ...options, ratio, activation: activationName(activation) },
    apply: (c, [x]) => {
      const { g } = c
      const shape = shapeOf(x!)
      const channels = shape[1]
      if (shape.length < 3 || typeof channels !== 'number') {
        throw new QuernError('input', `${kind} needs [batch, channels, size, ...], received ${formatShape(shape)}`)
      }
      const axes = shape.slice(2).map((_, i) => i + 2)
      const units = Math.max(1, Math.floor(channels / ratio))
      const squeezed = c.inner('squeeze', dense({ units, activation }), [
        g.squeeze(g.op('GlobalAveragePool', [x]), axes),
      ])
      const factors = c.inner('excite', dense({ units: channels, activation: 'sigmoid' }), [squeezed])
      return g.mul(x!, g.unsqueeze(factors, axes))
    },
  })
}
