/** Normalisations that look at one example alone and need no statistics of a batch. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { float32 } from '../core/tensor.ts'
import { shapeOf } from '../graph/graph.ts'
import { groupNormalization as normalizeGroups } from '../ops/normalization-forms.ts'
import { type CommonOptions, type Layer, layer } from './layer.ts'
import { positiveInteger, within } from './options.ts'

/** x / sqrt(mean(x^2) + epsilon) * gamma over the last axis (Zhang and Sennrich 2019): no mean is taken off. Epsilon: default 1e-6. */
export function rmsNormalization(options: CommonOptions & { epsilon?: number; scale?: boolean } = {}): Layer {
  const kind = 'rmsNormalization'
  const { epsilon = 1e-6, scale = true } = options
  within(kind, 'epsilon', epsilon, 0, Infinity)
  return layer({
    kind,
    config: { ...options, epsilon, scale },
    keepsMask: 'first',
    apply: (c, [x]) => {
      const { g } = c
      const shape = shapeOf(x!)
      const size = shape.at(-1)
      if (shape.length < 2 || typeof size !== 'number') {
        throw new QuernError('input', `${kind} needs [batch, ..., features], received ${formatShape(shape)}`)
      }
      const square = g.mean(g.mul(x!, x!), [shape.length - 1], true)
      const normalized = g.mul(x!, g.reciprocal(g.sqrt(g.add(square, epsilon))))
      if (!scale) return normalized
      return g.mul(normalized, c.parameter('gamma', { shape: [size], initializer: 'ones', decay: false }))
    },
  })
}

/**
 * Mean 0 and variance 1 over each group of channels of an example, `[batch, channels, ...]`, then a scale and a shift a channel (Wu and He 2018).
 * As many groups as channels give instance normalisation. Errors: `config` when the groups do not divide the channels.
 */
export function groupNormalization(options: CommonOptions & { groups?: number; epsilon?: number } = {}): Layer {
  const kind = 'groupNormalization'
  const { epsilon = 1e-3 } = options
  const groups = positiveInteger(kind, 'groups', options.groups ?? 32)
  within(kind, 'epsilon', epsilon, 0, Infinity)
  return layer({
    kind,
    config: { ...options, groups, epsilon },
    apply: (c, [x]) => {
      const shape = shapeOf(x!)
      const channels = shape[1]
      if (shape.length < 2 || typeof channels !== 'number') {
        throw new QuernError('input', `${kind} needs [batch, channels, ...], received ${formatShape(shape)}`)
      }
      if (channels % groups !== 0) {
        throw new QuernError('config', `${kind}: groups (${groups}) must divide the ${channels} channels`)
      }
      const gamma = c.parameter('gamma', { shape: [channels], initializer: 'ones' })
      const beta = c.parameter('beta', { shape: [channels], initializer: 'zeros' })
      return normalizeGroups(c.g, x!, gamma, beta, groups, epsilon)
    },
  })
}

/**
 * Mean 0 and variance 1 over each channel of an example, `[batch, channels, ...]`, then a scale and a shift a channel (Ulyanov et al. 2016).
 * Epsilon: default 1e-3.
 */
export function instanceNormalization(
  options: CommonOptions & { epsilon?: number; center?: boolean; scale?: boolean } = {},
): Layer {
  const kind = 'instanceNormalization'
  const { epsilon = 1e-3, center = true, scale = true } = options
  within(kind, 'epsilon', epsilon, 0, Infinity)
  return layer({
    kind,
    config: { ...options, epsilon, center, scale },
    apply: (c, [x]) => {
      const shape = shapeOf(x!)
      const channels = shape[1]
      if (shape.length < 3 || typeof channels !== 'number') {
        throw new QuernError('input', `${kind} needs [batch, channels, size, ...], received ${formatShape(shape)}`)
      }
      const filled = (value: number) => c.g.constant(float32([channels], new Array<number>(channels).fill(value)))
      const gamma = scale ? c.parameter('gamma', { shape: [channels], initializer: 'ones' }) : filled(1)
      const beta = center ? c.parameter('beta', { shape: [channels], initializer: 'zeros' }) : filled(0)
      return c.g.op('InstanceNormalization', [x, gamma, beta], { epsilon })
    },
  })
}
