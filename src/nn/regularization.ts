/** Dropout and noise, which act while training only, and activations as layers. */
import { QuernError } from '../core/errors.ts'
import { shapeOf } from '../graph/graph.ts'
import { type Activation, activate, activationName } from './activations.ts'
import { type CommonOptions, type Layer, layer } from './layer.ts'
import { rate as checkRate, within } from './options.ts'

/** An activation as a layer of its own. */
export function activation(name: Activation, options: CommonOptions = {}): Layer {
  return layer({
    kind: 'activation',
    config: { ...options, activation: activationName(name) },
    keepsMask: 'first',
    apply: (c, [x]) => activate(c.g, x!, name),
  })
}

/**
 * Dropout (Srivastava et al. 2014): while training, each element is zeroed with probability `rate` and the others are
 * scaled by 1 / (1 - rate). `noiseShape` shares the mask along the axes where it is 1; axis 0 is the batch.
 */
export function dropout(
  options: CommonOptions & { rate: number; noiseShape?: readonly (number | null | undefined)[] },
): Layer {
  const rate = checkRate('dropout', 'rate', options.rate)
  const { noiseShape } = options
  return layer({
    kind: 'dropout',
    config: { ...options, ...(noiseShape ? { noiseShape: noiseShape.map((dim) => dim ?? null) } : {}) },
    keepsMask: 'first',
    apply: (c, [x]) => {
      if (!c.training || rate === 0) return x!
      if (noiseShape && noiseShape.length !== shapeOf(x!).length) {
        throw new QuernError(
          'input',
          `dropout: noiseShape has ${noiseShape.length} axes, the input ${shapeOf(x!).length}`,
        )
      }
      const shape = shapeOf(x!).map((dim, i) => noiseShape?.[i] ?? dim)
      return c.g.mul(x!, c.dropoutMask(shape, rate))
    },
  })
}

/** Dropout of whole channels: `[batch, channels, ...]` (Tompson et al. 2015). */
export function spatialDropout(options: CommonOptions & { rate: number }): Layer {
  const rate = checkRate('spatialDropout', 'rate', options.rate)
  return layer({
    kind: 'spatialDropout',
    config: { ...options },
    apply: (c, [x]) => {
      if (!c.training || rate === 0) return x!
      const [batch = 1, channels = 1, ...positions] = shapeOf(x!)
      return c.g.mul(x!, c.dropoutMask([batch, channels, ...positions.map(() => 1)], rate))
    },
  })
}

/** Adds normal noise of mean 0 while training. */
export function gaussianNoise(options: CommonOptions & { stddev: number }): Layer {
  const deviation = within('gaussianNoise', 'stddev', options.stddev, 0, Infinity)
  return layer({
    kind: 'gaussianNoise',
    config: { ...options },
    keepsMask: 'first',
    apply: (c, [x]) => {
      if (!c.training || deviation === 0) return x!
      return c.g.add(x!, c.random(shapeOf(x!), { name: 'normal', deviation }))
    },
  })
}

/**
 * Multiplies by normal noise of mean 1 and variance rate / (1 - rate) while training, as dropout of that rate does (Srivastava et al.
 * 2014, section 10).
 */
export function gaussianDropout(options: CommonOptions & { rate: number }): Layer {
  const rate = checkRate('gaussianDropout', 'rate', options.rate)
  const deviation = Math.sqrt(rate / (1 - rate))
  return layer({
    kind: 'gaussianDropout',
    config: { ...options },
    keepsMask: 'first',
    apply: (c, [x]) => {
      if (!c.training || rate === 0) return x!
      return c.g.mul(x!, c.random(shapeOf(x!), { name: 'normal', mean: 1, deviation }))
    },
  })
}
