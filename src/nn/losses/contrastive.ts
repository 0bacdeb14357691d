/**
 * Losses that bring vectors of the same thing together and push those of others apart, with the rest of the batch as the others.
 * Targets are identities: rows with the same number are no counterexamples of each other.
 */
import { QuernError } from '../../core/errors.ts'
import { formatShape, type Shape } from '../../core/shape.ts'
import { tensorFromNumbers } from '../../core/tensor.ts'
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { norm, unit, vectorAt } from './embeddings.ts'
import { fits, type Loss, meanLoss, requireFit, requireForm, requireNumber } from './loss.ts'

/** Logit of a pair that does not count. */
const apart = -1e9

export interface TemperatureOptions {
  /** what cosines are divided by; default 0.1 */
  readonly temperature?: number
}

function temperatureOf(loss: string, { temperature = 0.1 }: TemperatureOptions): number {
  if (temperature > 0 && temperature < Infinity) return temperature
  throw new QuernError('config', `${loss}: temperature must be above 0, received ${temperature}`)
}

function requireMatrices(loss: string, a: Value, b: Value): number {
  const [left, right] = [shapeOf(a), shapeOf(b)]
  if (left.length === 2 && fits(left, right)) return requireNumber(loss, 'the batch size', left[0])
  throw new QuernError(
    'input',
    `${loss} needs two values [batch, features], received ${formatShape(left)} and ${formatShape(right)}`,
  )
}

/** The square matrix with 1 where the condition on row and column holds. */
function pattern(g: Emitter, n: number, holds: (i: number, j: number) => boolean): Value {
  const numbers = Array.from({ length: n * n }, (_, at) => (holds(Math.floor(at / n), at % n) ? 1 : 0))
  return g.constant(tensorFromNumbers('bool', [n, n], numbers))
}

/** true for rows that stand for the same thing, though they are not the same row: `[n, n]` */
function doubles(g: Emitter, identities: Value, n: number): Value {
  const numbers = g.cast(identities, 'int64')
  const same = g.equal(g.unsqueeze(numbers, [1]), g.unsqueeze(numbers, [0]))
  return g.op('And', [same, pattern(g, n, (i, j) => i !== j)])
}

/** -log softmax at the diagonal: `[n]` losses of the rows. */
function diagonalLoss(g: Emitter, logits: Value, n: number): Value {
  const diagonal = g.constant(
    tensorFromNumbers(
      'float32',
      [n, n],
      Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? 1 : 0)),
    ),
  )
  return g.neg(g.sum(g.mul(g.logSoftmax(logits), diagonal), [1]))
}

/**
 * InfoNCE (van den Oord et al. 2018): each query `[batch, features]` must find its own key among all keys of the batch, by cosine over
 * temperature. `both` adds the direction from keys to queries and halves the sum, as CLIP does (Radford et al. 2021). Gives `[batch]`.
 * `temperature` may be a value of the graph, such as a learned one. `identities`, `[batch]`: examples with the same number are no
 * counterexamples of each other.
 */
export function infoNceLosses(
  g: Emitter,
  queries: Value,
  keys: Value,
  options: { readonly temperature?: number | Value; readonly both?: boolean; readonly identities?: Value } = {},
): Value {
  const n = requireMatrices('infoNce', queries, keys)
  const { temperature = 0.1, both = false, identities } = options
  if (typeof temperature === 'number') temperatureOf('infoNce', { temperature })
  const cosines = g.matMul(unit(g, queries), g.transpose(unit(g, keys), [1, 0]))
  const scaled = g.div(cosines, temperature)
  const logits = identities ? g.where(doubles(g, identities, n), apart, scaled) : scaled
  const forth = diagonalLoss(g, logits, n)
  if (!both) return forth
  return g.mul(g.add(forth, diagonalLoss(g, g.transpose(logits, [1, 0]), n)), 0.5)
}

function requirePairs(name: string, predictions: Value, targets: Value): [Value, (g: Emitter) => Value] {
  requireForm(name, '[batch, 2, features]', predictions, (s: Shape) => s.length === 3 && s[1] === 2)
  requireFit(name, [shapeOf(predictions)[0]!], predictions, targets)
  return [targets, (g) => vectorAt(g, predictions, 1)]
}

/**
 * InfoNCE of pairs: predictions `[batch, 2, features]` hold query and key, targets `[batch]` the identities (any distinct numbers when each
 * example stands for itself).
 */
export function infoNce(options: TemperatureOptions = {}): Loss {
  const temperature = temperatureOf('infoNce', options)
  return meanLoss('infoNce', { ...options }, (g, predictions, targets) => {
    const [identities, key] = requirePairs('infoNce', predictions, targets)
    return infoNceLosses(g, vectorAt(g, predictions, 0), key(g), { temperature, identities })
  })
}

/** CLIP's loss of pairs: InfoNCE in both directions. Shapes as for `infoNce`; default temperature 0.07. */
export function clip(options: TemperatureOptions = {}): Loss {
  const temperature = temperatureOf('clip', { temperature: 0.07, ...options })
  return meanLoss('clip', { ...options }, (g, predictions, targets) => {
    const [identities, key] = requirePairs('clip', predictions, targets)
    return infoNceLosses(g, vectorAt(g, predictions, 0), key(g), { temperature, identities, both: true })
  })
}

/**
 * NT-Xent (SimCLR, Chen et al. 2020, equation 1): each of the 2 batch views must find the other view of its example among all other
 * views. Predictions `[batch, 2, features]` hold the two views, targets `[batch]` the identities.
 */
export function ntXent(options: TemperatureOptions = {}): Loss {
  const temperature = temperatureOf('ntXent', options)
  return meanLoss('ntXent', { ...options }, (g, predictions, targets) => {
    const [identities, second] = requirePairs('ntXent', predictions, targets)
    const n = requireNumber('ntXent', 'the batch size', shapeOf(predictions)[0])
    const views = unit(g, g.concat([vectorAt(g, predictions, 0), second(g)], 0))
    const scaled = g.div(g.matMul(views, g.transpose(views, [1, 0])), temperature)
    const doubled = doubles(g, g.concat([identities, identities], 0), 2 * n)
    const others = g.op('And', [doubled, pattern(g, 2 * n, (i, j) => Math.abs(i - j) !== n)])
    const itself = pattern(g, 2 * n, (i, j) => i === j)
    const logP = g.logSoftmax(g.where(g.op('Or', [others, itself]), apart, scaled))
    const partner = g.cast(
      pattern(g, 2 * n, (i, j) => Math.abs(i - j) === n),
      'float32',
    )
    return g.mean(g.reshape(g.neg(g.sum(g.mul(logP, partner), [1])), [2, n]), [0])
  })
}

/**
 * Contrastive loss of pairs (Hadsell et al. 2006): D^2 / 2 where the target is 1 (the same), max(0, margin - D)^2 / 2 where it is 0, with D the
 * Euclidean distance. Predictions `[batch, 2, features]`, targets `[batch]`.
 */
export function contrastive(options: { margin?: number } = {}): Loss {
  const { margin = 1 } = options
  if (!(margin > 0 && margin < Infinity)) {
    throw new QuernError('config', `contrastive: margin must be above 0, received ${margin}`)
  }
  return meanLoss('contrastive', { margin }, (g, predictions, targets) => {
    const [same, second] = requirePairs('contrastive', predictions, targets)
    const distance = norm(g, g.sub(vectorAt(g, predictions, 0), second(g)))
    const gap = g.relu(g.sub(margin, distance))
    const y = g.cast(same, 'float32')
    const squares = g.add(g.mul(y, g.mul(distance, distance)), g.mul(g.sub(1, y), g.mul(gap, gap)))
    return g.mul(squares, 0.5)
  })
}
