/** The answers of an exported model for a whole dataset. */
import type { Pipeline } from '../bundle/pipeline.ts'
import { dtypes, type NumericArray } from '../core/dtype.ts'
import { createBatches } from '../data/batches.ts'
import { columnType, type Dataset, exampleShape, exampleSize } from '../data/dataset.ts'
import type { NamedTensors } from '../runtime/backend.ts'

/** Examples in one run of the graph. */
const batchSize = 256

/**
 * Runs the pipeline over every example, in the dataset's order: what evaluation scores is what the server would answer. Each input of the
 * model is the column of its name. Returns the first output of all, row-major.
 */
export async function scoreDataset(
  pipeline: Pick<Pipeline, 'infer' | 'manifest'>,
  dataset: Dataset,
  options: { onProgress?: ((done: number, total: number) => void) | undefined; signal?: AbortSignal | undefined } = {},
): Promise<Float32Array> {
  const { inputs, outputs } = pipeline.manifest
  const capacity = Math.min(batchSize, dataset.length)
  const into = Object.fromEntries(
    inputs.map(({ name }): [string, NumericArray] => {
      const column = columnType(dataset, name)
      return [name, new dtypes[column.dtype].array!(capacity * exampleSize(column))]
    }),
  )
  const batches = createBatches(dataset, { batchSize, into })
  let answers: Float32Array | undefined
  for (let step = 0; step < batches.steps; step++) {
    options.signal?.throwIfAborted()
    const count = batches.fill(step)
    const feeds: NamedTensors = Object.fromEntries(
      inputs.map(({ name }) => {
        const column = columnType(dataset, name)
        const data = into[name]!.subarray(0, count * exampleSize(column))
        return [name, { dtype: column.dtype, shape: [count, ...exampleShape(column)], data }]
      }),
    )
    const results = await pipeline.infer(feeds)
    const rows = results[outputs[0]!.name]!.data as Float32Array
    const width = rows.length / count
    answers ??= new Float32Array(dataset.length * width)
    answers.set(rows, step * batchSize * width)
    options.onProgress?.(step * batchSize + count, dataset.length)
  }
  return answers ?? new Float32Array(0)
}
