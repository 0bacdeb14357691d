/** One update of all parameters: penalties, clipping, then the optimizer over each segment. */
import { QuernError } from '../core/errors.ts'
import type { Region } from '../runtime/arena.ts'
import type { Kernels } from '../runtime/kernels/kernels.ts'
import type { Optimizer, Segment, UpdateScalars } from './optimizer.ts'
import { type Fields, type Given, number, readOptions } from './options.ts'

/** What happens to gradients before the optimizer sees them; 0 leaves a rule out. */
export interface GradientRules {
  /** adds l1 * sum |w| to the loss (by its gradient), where segments decay */
  readonly l1: number
  /** adds l2 * sum w^2 to the loss (by its gradient 2 * l2 * w), as Keras' L2 does, where segments decay */
  readonly l2: number
  /** limits the norm of all gradients together (Pascanu et al. 2013; Keras: global_clipnorm) */
  readonly clipNorm: number
  /** limits each gradient to [-clipValue, clipValue] */
  readonly clipValue: number
}

const fields: Fields<GradientRules> = {
  l1: number(0, { minimum: 0 }),
  l2: number(0, { minimum: 0 }),
  clipNorm: number(0, { minimum: 0 }),
  clipValue: number(0, { minimum: 0 }),
}

/** @throws QuernError 'config' for an unknown or unfit option, and for both kinds of clipping at once */
export function gradientRules(options: Given<GradientRules> = {}): GradientRules {
  const rules = readOptions('gradient rules', options, fields)
  if (rules.clipNorm > 0 && rules.clipValue > 0) {
    throw new QuernError('config', "set one of 'clipNorm' and 'clipValue', received both")
  }
  return rules
}

export interface UpdateReport {
  /** norm of the gradients after scale and penalties, before clipping; undefined when no rule needed it */
  readonly gradientNorm: number | undefined
  /** false when that norm was NaN or infinite: nothing was updated, and `firstNonFinite` finds the culprit */
  readonly applied: boolean
}

/**
 * Updates the parameters in place. Gradients are left changed when a penalty or clipValue is set.
 *
 * @param scalars `gradientScale` turns sums into means (1 / number of micro-batches); 1 when the loss is a mean
 * @example
 * const report = applyUpdate(kernels, optimizer, segments, gradientRules({ clipNorm: 1 }), { learningRate, step, gradientScale: 1 })
 */
export function applyUpdate(
  kernels: Kernels,
  optimizer: Optimizer,
  segments: readonly Segment[],
  rules: GradientRules,
  scalars: UpdateScalars,
): UpdateReport {
  return applyUpdates(kernels, [{ optimizer, segments }], rules, scalars)
}

/** Parameters that one optimizer updates. */
export interface OptimizerSegments {
  readonly optimizer: Optimizer
  readonly segments: readonly Segment[]
  /** steps before the first one of these parameters: their optimizer counts from there; default 0 */
  readonly begins?: number
}

/**
 * As `applyUpdate`, for parameters of one loss that several optimizers share: rules see all gradients together.
 *
 * @param every steps of the run for each of these updates
 */
export function applyUpdates(
  kernels: Kernels,
  groups: readonly OptimizerSegments[],
  rules: GradientRules,
  scalars: UpdateScalars,
  every = 1,
): UpdateReport {
  let gradientScale = scalars.gradientScale
  if (rules.l1 > 0 || rules.l2 > 0 || rules.clipValue > 0) {
    for (const { segments } of groups) {
      for (const segment of segments) rewrite(kernels, segment, rules, gradientScale)
    }
    gradientScale = 1
  }
  let gradientNorm: number | undefined
  if (rules.clipNorm > 0) {
    gradientNorm = Math.hypot(...groups.map(({ segments }) => normOf(kernels, segments))) * gradientScale
    if (!Number.isFinite(gradientNorm)) return { gradientNorm, applied: false }
    if (gradientNorm > rules.clipNorm) gradientScale *= rules.clipNorm / gradientNorm
  }
  const scaled = { ...scalars, gradientScale }
  for (const { optimizer, segments, begins = 0 } of groups) {
    const own = begins === 0 ? scaled : { ...scaled, step: scaled.step - Math.floor(begins / every) }
    for (const segment of segments) optimizer.update(kernels, segment, own)
  }
  return { gradientNorm, applied: true }
}

function rewrite(kernels: Kernels, segment: Segment, rules: GradientRules, scale: number): void {
  const { gradients, count, decayFactor } = segment
  const penalised = decayFactor > 0 && (rules.l1 > 0 || rules.l2 > 0)
  if (penalised) kernels.penalty(segment, scale, rules.l1 * decayFactor, rules.l2 * decayFactor)
  if (rules.clipValue > 0) kernels.clamp(gradients, count, penalised ? 1 : scale, rules.clipValue)
  else if (!penalised && scale !== 1) kernels.scale(gradients, count, scale)
}

/** Euclidean norm of the gradients of all segments together. */
export function normOf(kernels: Kernels, segments: readonly Segment[]): number {
  let sum = 0
  for (const { gradients, count } of segments) sum += kernels.sumOfSquares(gradients, count)
  return Math.sqrt(sum)
}

/** What the penalties add to the loss: l1 * sum |w| + l2 * sum w^2 over the segments that decay. */
export function penaltyOf(kernels: Kernels, segments: readonly Segment[], rules: GradientRules): number {
  let sum = 0
  for (const { parameters, count, decayFactor } of segments) {
    if (decayFactor === 0) continue
    if (rules.l1 > 0) sum += decayFactor * rules.l1 * kernels.sumOfAbsolutes(parameters, count)
    if (rules.l2 > 0) sum += decayFactor * rules.l2 * kernels.sumOfSquares(parameters, count)
  }
  return sum
}

/** Name of the first float32 tensor of a region with a NaN or infinite element, and the element's index. */
export function firstNonFinite(kernels: Kernels, region: Region): { name: string; index: number } | undefined {
  for (const place of region.layout.places.values()) {
    if (place.dtype !== 'float32') continue
    const index = kernels.firstNonFinite(region.byteOffset + place.byteOffset, place.byteLength / 4)
    if (index >= 0) return { name: place.name, index }
  }
  return undefined
}
