/**
 * Triplet losses: an anchor must be nearer to a positive (the same class) than to a negative by a margin, in Euclidean distance.
 * Sources: Schroff et al. 2015, "FaceNet"; mining in the batch: Hermans et al. 2017, "In Defense of the Triplet Loss", section 2.
 */
import { QuernError } from '../../core/errors.ts'
import { formatShape } from '../../core/shape.ts'
import { tensorFromNumbers } from '../../core/tensor.ts'
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { within } from '../options.ts'
import { distances, norm } from './embeddings.ts'
import { fits, type Loss, meanLoss, type PartLosses, requireFit, requireForm, requireNumber } from './loss.ts'

/** A distance beyond all others. */
const far = 1e9

/** max(0, margin + |anchor - positive| - |anchor - negative|) of vectors `[batch, features]` each; gives `[batch]`. */
export function tripletLosses(g: Emitter, anchor: Value, positive: Value, negative: Value, margin = 1): Value {
  for (const other of [positive, negative]) {
    if (shapeOf(anchor).length === 2 && fits(shapeOf(anchor), shapeOf(other))) continue
    throw new QuernError(
      'input',
      `triplet needs values [batch, features] of one shape, received ${formatShape(shapeOf(anchor))} and ${formatShape(shapeOf(other))}`,
    )
  }
  const difference = g.sub(norm(g, g.sub(anchor, positive)), norm(g, g.sub(anchor, negative)))
  return g.relu(g.add(difference, margin))
}

export interface TripletOptions {
  /** default 1 */
  readonly margin?: number
  /**
   * - `hard` (default): the farthest positive and the nearest negative of each anchor, "batch hard"
   * - `semiHard`: for each anchor and positive, the nearest negative that is farther than the positive, or else the farthest negative
   */
  readonly mining?: 'hard' | 'semiHard'
}

/**
 * Triplet loss of vectors `[batch, features]` with class numbers `[batch]`: the triplets are found in the batch. The mean goes over the anchors
 * (hard) or the pairs of anchor and positive (semiHard) for which there is one; without any the loss is 0.
 */
export function triplet(options: TripletOptions = {}): Loss {
  const name = 'triplet'
  const { margin = 1, mining = 'hard' } = options
  within(name, 'margin', margin, 0, Infinity)
  if (mining !== 'hard' && mining !== 'semiHard') {
    throw new QuernError('config', `${name}: mining must be 'hard' or 'semiHard', received '${String(mining)}'`)
  }
  return meanLoss(name, { ...options }, (g, predictions, targets) => {
    requireForm(name, '[batch, features]', predictions, (s) => s.length === 2)
    requireFit(name, [shapeOf(predictions)[0]!], predictions, targets)
    const n = requireNumber(name, 'the batch size', shapeOf(predictions)[0])
    const numbers = g.cast(targets, 'int64')
    const same = g.equal(g.unsqueeze(numbers, [1]), g.unsqueeze(numbers, [0]))
    const others = Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? 0 : 1))
    const positive = g.op('And', [same, g.constant(tensorFromNumbers('bool', [n, n], others))])
    const pairs: Pairs = { distance: distances(g, predictions), positive, negative: g.op('Not', [same]) }
    return mining === 'hard' ? batchHard(g, pairs, margin) : semiHard(g, pairs, { margin, n })
  })
}

interface Pairs {
  /** `[n, n]`, as the next two */
  readonly distance: Value
  readonly positive: Value
  readonly negative: Value
}

const extreme = (g: Emitter, op: 'ReduceMax' | 'ReduceMin', x: Value): Value =>
  g.op(op, [x, g.integers([-1])], { keepdims: 0 })

function batchHard(g: Emitter, { distance, positive, negative }: Pairs, margin: number): PartLosses {
  const farthest = extreme(g, 'ReduceMax', g.where(positive, distance, -far))
  const nearest = extreme(g, 'ReduceMin', g.where(negative, distance, far))
  const found = g.op('And', [g.greater(farthest, -far / 2), g.less(nearest, far / 2)])
  return parts(g, found, g.relu(g.add(g.sub(farthest, nearest), margin)))
}

function semiHard(
  g: Emitter,
  { distance, positive, negative }: Pairs,
  { margin, n }: { margin: number; n: number },
): PartLosses {
  // [anchor, positive, negative]
  const toPositive = g.unsqueeze(distance, [2])
  const toNegative = g.unsqueeze(distance, [1])
  const beyond = g.op('And', [g.greater(toNegative, toPositive), g.unsqueeze(negative, [1])])
  const spread = g.expand(toNegative, [n, n, n])
  const nearest = extreme(g, 'ReduceMin', g.where(beyond, spread, far))
  const farthest = g.unsqueeze(extreme(g, 'ReduceMax', g.where(negative, distance, -far)), [1])
  const chosen = g.where(g.less(nearest, far / 2), nearest, farthest)
  const found = g.op('And', [positive, g.greater(farthest, -far / 2)])
  return parts(g, found, g.relu(g.add(g.sub(distance, chosen), margin)))
}

function parts(g: Emitter, found: Value, values: Value): PartLosses {
  return { values: g.where(found, values, 0), counted: g.cast(found, 'float32') }
}
