/** Normalisation layers. */
import { QuernError } from '../core/errors.ts'
import { formatShape, normalizeAxis } from '../core/shape.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import { type CommonOptions, type Layer, layer } from './layer.ts'
import { within } from './options.ts'

export interface BatchNormalizationOptions extends CommonOptions {
  /** share of the old moving statistics that a step keeps; default 0.99 */
  readonly momentum?: number
  /** added to the variance; default 0.001 */
  readonly epsilon?: number
  /** trained shift; default true */
  readonly center?: boolean
  /** trained scale; default true */
  readonly scale?: boolean
}

/**
 * Batch normalisation (Ioffe & Szegedy 2015) over the channels of `[batch, channels, ...]`. Training uses the statistics of
 * the batch and carries moving averages along; inference uses the averages.
 */
export function batchNormalization(options: BatchNormalizationOptions = {}): Layer {
  const { momentum = 0.99, epsilon = 1e-3, center = true, scale = true } = options
  within('batchNormalization', 'momentum', momentum, 0, 1)
  within('batchNormalization', 'epsilon', epsilon, 0, Infinity)
  return layer({
    kind: 'batchNormalization',
    config: { ...options, momentum, epsilon, center, scale },
    apply: (c, [x]) => {
      const { g } = c
      const shape = shapeOf(x!)
      const channels = shape[1]
      if (shape.length < 2 || typeof channels !== 'number') {
        throw new QuernError('input', `batchNormalization needs [batch, channels, ...], received ${formatShape(shape)}`)
      }
      const one = { shape: [channels], initializer: 'ones' } as const
      const zero = { shape: [channels], initializer: 'zeros' } as const
      const gamma = scale ? c.parameter('gamma', one) : g.full([channels], 1)
      const beta = center ? c.parameter('beta', zero) : g.full([channels], 0)
      const movingMean = c.state('movingMean', zero)
      const movingVariance = c.state('movingVariance', one)
      if (!c.training) return g.op('BatchNormalization', [x, gamma, beta, movingMean, movingVariance], { epsilon })

      // With momentum 0 the running statistics that come out are those of the batch. The runtime writes them over those that go in, even where these
      // are inputs of the graph or constants, so that they must be values that nobody else reads.
      const attributes = { epsilon, momentum: 0, training_mode: 1 }
      const inputs = [x, gamma, beta, g.mul(movingMean, 0), g.mul(movingVariance, 0)]
      const [y, mean, variance] = g.ops('BatchNormalization', inputs, attributes, 3)
      const move = (name: string, old: Value, now: Value) =>
        c.update(name, g.add(g.mul(old, momentum), g.mul(now, 1 - momentum)), now)
      move('movingMean', movingMean, mean!)
      move('movingVariance', movingVariance, variance!)
      return y!
    },
  })
}

export interface LayerNormalizationOptions extends CommonOptions {
  /** first normalised axis; it and all behind it are normalised together; default -1 */
  readonly axis?: number
  /** added to the variance; default 0.001 */
  readonly epsilon?: number
  readonly center?: boolean
  readonly scale?: boolean
}

/** Layer normalisation (Ba et al. 2016): each example has mean 0 and variance 1 over the last axes. */
export function layerNormalization(options: LayerNormalizationOptions = {}): Layer {
  const { axis = -1, epsilon = 1e-3, center = true, scale = true } = options
  within('layerNormalization', 'epsilon', epsilon, 0, Infinity)
  return layer({
    kind: 'layerNormalization',
    config: { ...options, axis, epsilon, center, scale },
    keepsMask: 'first',
    apply: (c, [x]) => {
      const { g } = c
      const shape = shapeOf(x!)
      const sizes = shape.slice(normalizeAxis(axis, shape.length)).map((dim) => {
        if (typeof dim === 'number') return dim
        throw new QuernError('input', `layerNormalization needs numbers for its axes, received ${formatShape(shape)}`)
      })
      const ones = { shape: sizes, initializer: 'ones', decay: false } as const
      const gamma = scale ? c.parameter('gamma', ones) : g.full(sizes, 1)
      const beta = center ? c.parameter('beta', { ...ones, initializer: 'zeros' }) : undefined
      return g.op('LayerNormalization', [x, gamma, beta], { axis, epsilon })
    },
  })
}
