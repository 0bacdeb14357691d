/** The profile of the training split, as the exported model sees it: what a server compares its requests with. */

import type { Pipeline } from '../bundle/pipeline.ts'
import { trainingProfile } from '../bundle/profile/training-profile.ts'
import type { TrainingProfile } from '../contract/training-profile.ts'
import { columnType, copyOfExamples, type Dataset, exampleSize, subset } from '../data/dataset.ts'
import { scoreDataset } from './score-dataset.ts'

/** Spread evenly over the split: quantiles of more examples are the same to the eye, and training should end. */
const mostExamples = 10_000
/** Numbers that go into the model, over all examples: a large picture takes long, so there are fewer, but never under 500. */
const mostCells = 1e8
const fewestExamples = 500

/** Examples that are looked at, by the size of one: as many for each machine, so that a run can be repeated. */
export function profiledCount(length: number, cells: number): number {
  return Math.min(length, mostExamples, Math.max(fewestExamples, Math.floor(mostCells / Math.max(1, cells))))
}

/** Runs the model over up to 10 000 examples of the split. Augmentation is not applied: requests are not augmented either. */
export async function profileTraining(
  pipeline: Pick<Pipeline, 'infer' | 'manifest'>,
  train: Dataset,
  signal?: AbortSignal,
): Promise<TrainingProfile> {
  const { manifest } = pipeline
  const cells = manifest.inputs.reduce((sum, input) => sum + exampleSize(columnType(train, input.name)), 0)
  const count = profiledCount(train.length, cells)
  const spread = Int32Array.from({ length: count }, (_, i) => Math.floor((i * train.length) / count))
  const names = manifest.inputs.map((input) => input.name)
  const part = train.stored ? copyOfExamples(train, names, spread) : subset(train, spread)
  const answers = await scoreDataset(pipeline, part, { signal })
  return trainingProfile(manifest, {
    inputs: { tensors: part.columns, rows: part.rows },
    outputs: { tensors: answers, rows: Int32Array.from({ length: count }, (_, i) => i) },
  })
}
