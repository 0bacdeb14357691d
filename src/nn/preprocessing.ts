/** Numeric preprocessing as layers, so that it is inside the exported graph and a model takes raw numbers. */
import { QuernError } from '../core/errors.ts'
import { float32 } from '../core/tensor.ts'
import { shapeOf } from '../graph/graph.ts'
import { type CommonOptions, type Layer, layer } from './layer.ts'

/** x * scale + offset in float32, from any numeric type: `rescaling({ scale: 1 / 255 })` for 8-bit pixels. */
export function rescaling(options: CommonOptions & { scale: number; offset?: number }): Layer {
  const { scale, offset = 0 } = options
  return layer({
    kind: 'rescaling',
    config: { ...options },
    apply: ({ g }, [x]) => {
      const scaled = g.mul(g.cast(x!, 'float32'), scale)
      return offset === 0 ? scaled : g.add(scaled, offset)
    },
  })
}

/** (x - mean) / deviation per channel of `[batch, channels, ...]`, with statistics of the training split. */
export function normalization(
  options: CommonOptions & { mean: readonly number[]; deviation: readonly number[] },
): Layer {
  const { mean, deviation } = options
  if (mean.length !== deviation.length) {
    throw new QuernError('config', `normalization: ${mean.length} means and ${deviation.length} deviations do not fit`)
  }
  return layer({
    kind: 'normalization',
    config: { ...options },
    apply: ({ g }, [x]) => {
      const channels = shapeOf(x!)[1]
      // One statistic for all channels broadcasts; anything else must be one for each.
      if (channels !== mean.length && mean.length !== 1) {
        throw new QuernError('input', `normalization has statistics of ${mean.length} channels, received ${channels}`)
      }
      const shape = [
        mean.length,
        ...shapeOf(x!)
          .slice(2)
          .map(() => 1),
      ]
      // A constant channel has deviation 0: it carries nothing, and must not become NaN.
      const factors = deviation.map((d) => (d > 0 ? 1 / d : 1))
      const centred = g.sub(g.cast(x!, 'float32'), g.constant(float32(shape, mean)))
      return g.mul(centred, g.constant(float32(shape, factors)))
    },
  })
}
