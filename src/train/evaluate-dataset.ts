/** Loss and metrics of a dataset on the parameters as they are. */
import type { Scores } from '../contract/events.ts'
import type { NumericArray } from '../core/dtype.ts'
import type { Tensor } from '../core/tensor.ts'
import { createBatches } from '../data/batches.ts'
import type { Dataset } from '../data/dataset.ts'
import { createMeans } from './means.ts'
import type { Scorer } from './scores.ts'
import type { TrainingStep } from './step.ts'

export interface EvaluationOptions {
  /** column that holds the targets; without it the scorer is fed by its parts, or not at all */
  readonly target?: string | undefined
  readonly batchSize: number
  readonly scorer: Scorer
  /** sees the predictions of each batch, valid until it returns, and the position of its first example */
  readonly onBatch?: (predictions: Tensor<Float32Array>, first: number) => void
  /** ends the evaluation before the next batch */
  readonly signal?: AbortSignal | undefined
}

/**
 * Mean loss (without penalties on parameters) and metrics of a dataset, in inference mode and in the dataset's own order. Nothing is
 * changed but the step's batch and predictions. Undefined when the signal came before the end: half a score would mislead.
 */
export async function evaluateDataset(
  step: TrainingStep,
  dataset: Dataset,
  options: EvaluationOptions,
): Promise<Scores | undefined> {
  const { target, batchSize, scorer, onBatch, signal } = options
  const batches = createBatches(dataset, { batchSize, into: arraysOf(step) })
  const means = createMeans()
  let sum = 0
  for (let i = 0; i < batches.steps; i++) {
    if (signal?.aborted) return undefined
    const count = batches.fill(i)
    sum += (await step.evaluate(count, i)) * count
    means.add(step.scalars(), count)
    feedScorer(scorer, step, target, count)
    onBatch?.(step.predictions(count), i * batchSize)
  }
  return { loss: sum / dataset.length, ...means.values(), ...scorer.values() }
}

/** Gives a scorer the predictions and targets of a run. */
export function feedScorer(scorer: Scorer, step: TrainingStep, target: string | undefined, count: number): void {
  if (scorer.parts) {
    for (const part of scorer.parts) {
      part.scorer.add(step.predictions(count, part.output), firstTargets(step, part.target, count))
    }
  } else if (target !== undefined) scorer.add(step.predictions(count), firstTargets(step, target, count))
}

/** The step's batch as arrays by column, for `createBatches` to write to. */
export function arraysOf(step: TrainingStep): Record<string, NumericArray> {
  return Object.fromEntries(Object.entries(step.batch).map(([name, { data }]) => [name, data as NumericArray]))
}

/** The targets of the first `count` examples of the step's batch, as a view. */
function firstTargets(step: TrainingStep, target: string, count: number): Tensor {
  const { dtype, shape, data } = step.batch[target]!
  const [capacity = 1, ...example] = shape
  const size = data.length / capacity
  return { dtype, shape: [count, ...example], data: (data as Int32Array).subarray(0, count * size) }
}
