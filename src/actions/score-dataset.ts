/** The answers of an exported model for a whole dataset. */
import type { Pipeline } from '../bundle/pipeline.ts'
import { createBatches } from '../data/batches.ts'
import { columnOf, type Dataset, exampleShape, exampleSize, labelsOf } from '../data/dataset.ts'

export interface DatasetAnswers {
  /** [examples, classes], row-major */
  readonly probabilities: Float32Array
  /** [examples] */
  readonly labels: Int32Array
}

/** Examples in one run of the graph. */
const batchSize = 256

/** Runs the pipeline over every example, in the dataset's order: what evaluation scores is what the server would answer. */
export async function scoreDataset(
  pipeline: Pipeline,
  dataset: Dataset,
  options: { onProgress?: ((done: number, total: number) => void) | undefined; signal?: AbortSignal | undefined } = {},
): Promise<DatasetAnswers> {
  const [input] = pipeline.manifest.inputs
  const [output] = pipeline.manifest.outputs
  const column = columnOf(dataset, 'image')
  const classes = pipeline.manifest.labels.length
  const pixels = new Uint8Array(Math.min(batchSize, dataset.length) * exampleSize(column))
  const batches = createBatches(dataset, { batchSize, into: { image: pixels } })
  const probabilities = new Float32Array(dataset.length * classes)
  for (let step = 0; step < batches.steps; step++) {
    options.signal?.throwIfAborted()
    const count = batches.fill(step)
    const data = pixels.subarray(0, count * exampleSize(column))
    const results = await pipeline.infer({
      [input!.name]: { dtype: 'uint8', shape: [count, ...exampleShape(column)], data },
    })
    probabilities.set(results[output!.name]!.data as Float32Array, step * batchSize * classes)
    options.onProgress?.(step * batchSize + count, dataset.length)
  }
  return { probabilities, labels: labelsOf(dataset) }
}
