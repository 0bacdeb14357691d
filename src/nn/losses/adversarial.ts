/**
 * Losses of generative adversarial networks, as functions of what the critic says: `real` and `fake` are its scores of real and generated
 * examples, of any one shape `[batch, ...]` each, logits where a probability is meant. Everything gives a scalar.
 */
import { backward } from '../../autodiff/backward.ts'
import { QuernError } from '../../core/errors.ts'
import { formatShape } from '../../core/shape.ts'
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { within } from '../options.ts'
import { fits } from './loss.ts'

export interface AdversarialLoss {
  readonly critic: (g: Emitter, real: Value, fake: Value) => Value
  readonly generator: (g: Emitter, fake: Value) => Value
}

const meanOf =
  (of: (g: Emitter, x: Value) => Value) =>
  (g: Emitter, x: Value): Value =>
    g.mean(of(g, x))
/** -log sigmoid(x) and -log(1 - sigmoid(x)), finite for any x */
const saysReal = meanOf((g, x) => g.op('Softplus', [g.neg(x)]))
const saysFake = meanOf((g, x) => g.op('Softplus', [x]))
const squareFrom = (target: number) => meanOf((g, x) => g.mul(g.sub(x, target), g.sub(x, target)))

/** The kinds of adversarial losses by name. */
export const adversarialLosses: Readonly<
  Record<'nonSaturating' | 'leastSquares' | 'hinge' | 'wasserstein', AdversarialLoss>
> = {
  /** Goodfellow et al. 2014, section 3: the generator maximises log D(fake) */
  nonSaturating: {
    critic: (g, real, fake) => g.add(saysReal(g, real), saysFake(g, fake)),
    generator: (g, fake) => saysReal(g, fake),
  },
  /** Mao et al. 2017, equation 9 with a = 0, b = c = 1: halves of squares */
  leastSquares: {
    critic: (g, real, fake) => g.mul(g.add(squareFrom(1)(g, real), squareFrom(0)(g, fake)), 0.5),
    generator: (g, fake) => g.mul(squareFrom(1)(g, fake), 0.5),
  },
  /** Lim and Ye 2017; Miyato et al. 2018, equations 16 and 17 */
  hinge: {
    critic: (g, real, fake) => g.add(g.mean(g.relu(g.sub(1, real))), g.mean(g.relu(g.add(fake, 1)))),
    generator: (g, fake) => g.neg(g.mean(fake)),
  },
  /** Arjovsky et al. 2017: add `gradientPenalty` or keep the critic's slope bounded otherwise */
  wasserstein: {
    critic: (g, real, fake) => g.sub(g.mean(fake), g.mean(real)),
    generator: (g, fake) => g.neg(g.mean(fake)),
  },
}

/** A critic as a function on values of the graph: examples `[batch, ...]` to scores. */
export type Critic = (x: Value) => Value

/**
 * Gradient penalty (Gulrajani et al. 2017, equation 3): weight * mean of (|d critic / d x| - 1)^2 at x = real + epsilon (fake - real).
 * The graph holds the critic's gradient, so that its parameters are trained through second derivatives: each operator of the critic must
 * have one (`smooth` in docs/operators.md; Relu's is 0, which is right almost everywhere). The critic must treat examples one by one:
 * batch normalisation mixes them.
 *
 * `epsilon` is drawn from [0, 1) for each example, of a shape that broadcasts to the examples: `[batch, 1, ...]`.
 */
export function gradientPenalty(
  g: Emitter,
  critic: Critic,
  options: { readonly real: Value; readonly fake: Value; readonly epsilon: Value; readonly weight?: number },
): Value {
  const { real, fake, epsilon, weight = 10 } = options
  within('gradientPenalty', 'weight', weight, 0, Infinity)
  if (!fits(shapeOf(real), shapeOf(fake))) {
    throw new QuernError(
      'input',
      `gradientPenalty needs real and fake examples of one shape, received ${formatShape(shapeOf(real))} and ${formatShape(shapeOf(fake))}`,
    )
  }
  const between = g.add(real, g.mul(epsilon, g.sub(fake, real)))
  // sqrt has no slope at 0, where a critic that is still flat begins
  const length = g.sqrt(g.add(slopeSquares(g, critic, between), 1e-12))
  const excess = g.sub(length, 1)
  return g.mul(g.mean(g.mul(excess, excess)), weight)
}

/** R1 penalty (Mescheder et al. 2018, equation 9): weight / 2 * mean of |d critic / d x|^2 at real examples. */
export function r1Penalty(
  g: Emitter,
  critic: Critic,
  options: { readonly real: Value; readonly weight?: number },
): Value {
  const { real, weight = 10 } = options
  within('r1Penalty', 'weight', weight, 0, Infinity)
  // A value of its own: other uses of the examples add nothing to this gradient.
  return g.mul(g.mean(slopeSquares(g, critic, g.add(real, 0))), weight / 2)
}

/** |d critic / d x|^2 of each example, `[batch]`. Examples are independent, so the gradient of the sum holds those of all. */
function slopeSquares(g: Emitter, critic: Critic, x: Value): Value {
  const [slope] = backward(g, g.sum(critic(x)), [x])
  const axes = shapeOf(x).flatMap((_, axis) => (axis === 0 ? [] : [axis]))
  if (axes.length === 0) throw new QuernError('input', 'a gradient penalty needs examples [batch, ...], received []')
  return g.sum(g.mul(slope!, slope!), axes)
}
