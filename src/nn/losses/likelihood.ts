/** Negative log likelihoods of distributions whose parameters a network predicts, and the KL term of a variational autoencoder. */

import { QuernError } from '../../core/errors.ts'
import { formatShape } from '../../core/shape.ts'
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { positiveInteger, within } from '../options.ts'
import { fits, type Loss, meanLoss, requireFit, requireForm, requireNumber } from './loss.ts'

const halfLogTwoPi = 0.5 * Math.log(2 * Math.PI)

/** Logarithms of variances and scales are kept in this range: exp(20) and its square are far from float32's limits. */
const logRange = 20

function clipped(g: Emitter, x: Value, low: number, high: number): Value {
  return g.op('Clip', [x, g.scalar(low), g.scalar(high)])
}

/** Numbers from..to of the last axis. */
function part(g: Emitter, x: Value, from: number, to: number): Value {
  return g.slice(x, [from], [to], [-1])
}

/**
 * Negative log likelihood of a Gaussian: log(2 pi) / 2 + v / 2 + (target - mean)^2 exp(-v) / 2. Predictions `[batch, ..., 2]` hold the mean and
 * v, the logarithm of the variance (kept from -20 to 20); targets are `[batch, ...]`. Nix and Weigend 1994.
 */
export function gaussianNll(): Loss {
  const name = 'gaussianNll'
  return meanLoss(name, {}, (g, predictions, targets) => {
    requireForm(name, '[batch, ..., 2]', predictions, (s) => s.length >= 2 && s.at(-1) === 2)
    requireFit(name, shapeOf(predictions).slice(0, -1), predictions, targets)
    const mean = g.squeeze(part(g, predictions, 0, 1), [-1])
    const logVariance = clipped(g, g.squeeze(part(g, predictions, 1, 2), [-1]), -logRange, logRange)
    const d = g.sub(g.cast(targets, 'float32'), mean)
    const quadratic = g.mul(g.mul(d, d), g.exp(g.neg(logVariance)))
    return g.add(g.mul(g.add(logVariance, quadratic), 0.5), halfLogTwoPi)
  })
}

/**
 * Mixture density network (Bishop 1994): -log sum_k pi_k N(target; mean_k, s_k^2) with s_k the same in all dimensions. Predictions
 * `[batch, components, 2 + dimensions]` hold the logit of pi, log s (kept from -20 to 20) and the mean; targets are `[batch, dimensions]`.
 */
export function gaussianMixture(): Loss {
  const name = 'gaussianMixture'
  return meanLoss(name, {}, (g, predictions, targets) => {
    requireForm(name, '[batch, components, 2 + dimensions]', predictions, (s) => s.length === 3)
    const shape = shapeOf(predictions)
    const size = requireNumber(name, 'the number of dimensions', shape[2]) - 2
    if (size < 1) requireForm(name, '[batch, components, 2 + dimensions]', predictions, () => false)
    requireFit(name, [shape[0]!, size], predictions, targets)
    const column = (i: number) => g.squeeze(part(g, predictions, i, i + 1), [-1])
    const logScale = clipped(g, column(1), -logRange, logRange)
    const d = g.sub(g.unsqueeze(g.cast(targets, 'float32'), [1]), part(g, predictions, 2, 2 + size))
    const scaled = g.mul(d, g.unsqueeze(g.exp(g.neg(logScale)), [2]))
    const squares = g.mul(g.sum(g.mul(scaled, scaled), [-1]), 0.5)
    const logDensity = g.neg(g.add(g.add(squares, g.mul(logScale, size)), size * halfLogTwoPi))
    return g.neg(
      g.op('ReduceLogSumExp', [g.add(g.logSoftmax(column(0)), logDensity), g.integers([-1])], { keepdims: 0 }),
    )
  })
}

export interface LogisticMixtureOptions {
  /** number of equal steps from -1 to 1: 256 for 8-bit pixels, 65536 for 16-bit samples of sound; default 256 */
  readonly levels?: number
  /** least logarithm of a scale; default -7, as in PixelCNN++; for 65536 levels -14 lets a component hold one step */
  readonly minLogScale?: number
}

/**
 * Negative log likelihood of values in -1 .. 1 that stand for `levels` equal steps, under a mixture of logistic distributions that is
 * integrated over each step; the first and the last step take the tails. Predictions `[batch, ..., 3 components]` hold the logits of
 * the components, the means and the logarithms of the scales; targets are `[batch, ...]`.
 *
 * Source: Salimans et al. 2017, "PixelCNN++", equation 2; for sound, van den Oord et al. 2018, "Parallel WaveNet". The probability of a step
 * from b to a is s(a) s(-b) (1 - exp(b - a)) with s the sigmoid, which keeps its digits where s(a) - s(b) loses them: no approximation by the
 * density is needed.
 */
export function logisticMixture(options: LogisticMixtureOptions = {}): Loss {
  const name = 'logisticMixture'
  const { levels = 256, minLogScale = -7 } = options
  positiveInteger(name, 'levels', levels)
  within(name, 'levels', levels, 2, 2 ** 24)
  within(name, 'minLogScale', minLogScale, -logRange, logRange)
  const half = 1 / (levels - 1)
  return meanLoss(name, { levels, minLogScale }, (g, predictions, targets) => {
    const isThirds = (n: unknown) => typeof n === 'number' && n >= 3 && n % 3 === 0
    requireForm(name, '[batch, ..., 3 components]', predictions, (s) => s.length >= 2 && isThirds(s.at(-1)))
    requireFit(name, shapeOf(predictions).slice(0, -1), predictions, targets)
    const count = (shapeOf(predictions).at(-1) as number) / 3
    const logits = part(g, predictions, 0, count)
    const mean = part(g, predictions, count, 2 * count)
    const logScale = clipped(g, part(g, predictions, 2 * count, 3 * count), minLogScale, logRange)
    const y = g.unsqueeze(g.cast(targets, 'float32'), [-1])
    const logStep = stepProbability(g, { y, mean, logScale, half })
    return g.neg(g.op('ReduceLogSumExp', [g.add(g.logSoftmax(logits), logStep), g.integers([-1])], { keepdims: 0 }))
  })
}

/** log of the probability that a logistic distribution gives to the step around y. */
function stepProbability(
  g: Emitter,
  { y, mean, logScale, half }: { y: Value; mean: Value; logScale: Value; half: number },
): Value {
  const inverse = g.exp(g.neg(logScale))
  const centred = g.sub(y, mean)
  const softplus = (x: Value) => g.op('Softplus', [x])
  const upper = softplus(g.neg(g.mul(g.add(centred, half), inverse)))
  const lower = softplus(g.mul(g.sub(centred, half), inverse))
  // log(1 - exp(-w)) = log(tanh(w / 2)) + log(1 + exp(-w)), w the width of the step in scales
  const width = g.mul(inverse, 2 * half)
  const inner = g.add(g.log(g.tanh(g.mul(width, 0.5))), softplus(g.neg(width)))
  const isFirst = g.less(y, half - 1)
  const isLast = g.greater(y, 1 - half)
  const middle = g.sub(inner, g.add(upper, lower))
  return g.where(isFirst, g.neg(upper), g.where(isLast, g.neg(lower), middle))
}

/**
 * KL divergence of a diagonal Gaussian from the standard normal distribution, summed over the features: (mean^2 + exp(v) - 1 - v) / 2 with
 * the log variance v, both `[batch, features]`; gives `[batch]`. Kingma and Welling 2014, appendix B. A beta-VAE (Higgins et al. 2017)
 * minimises reconstruction + beta times the mean of this.
 */
export function gaussianKl(g: Emitter, mean: Value, logVariance: Value): Value {
  if (shapeOf(mean).length !== 2 || !fits(shapeOf(mean), shapeOf(logVariance))) {
    throw new QuernError(
      'input',
      `gaussianKl needs mean and log variance [batch, features], received ${formatShape(shapeOf(mean))} and ${formatShape(shapeOf(logVariance))}`,
    )
  }
  const v = clipped(g, logVariance, -logRange, logRange)
  const terms = g.sub(g.add(g.mul(mean, mean), g.exp(v)), g.add(v, 1))
  return g.mul(g.sum(terms, [-1]), 0.5)
}

/**
 * `gaussianKl` as a loss, times `beta`: predictions `[batch, 2 features]` hold the means, then the log variances; the targets, `[batch, ...]`,
 * are not read.
 */
export function latentKl(options: { beta?: number } = {}): Loss {
  const { beta = 1 } = options
  within('latentKl', 'beta', beta, 0, Infinity)
  return meanLoss('latentKl', { beta }, (g, predictions) => {
    const isPairs = (n: unknown) => typeof n === 'number' && n % 2 === 0
    requireForm('latentKl', '[batch, 2 features]', predictions, (s) => s.length === 2 && isPairs(s[1]))
    const size = (shapeOf(predictions)[1] as number) / 2
    const kl = gaussianKl(g, part(g, predictions, 0, size), part(g, predictions, size, 2 * size))
    return beta === 1 ? kl : g.mul(kl, beta)
  })
}
