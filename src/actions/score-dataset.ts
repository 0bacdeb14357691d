/** The answers of an exported model for a whole dataset. */
import type { Pipeline } from '../bundle/pipeline.ts'
import { dtypes, type NumericArray } from '../core/dtype.ts'
import { float32, type Tensor } from '../core/tensor.ts'
import { createBatches } from '../data/batches.ts'
import { columnType, type Dataset, exampleShape, exampleSize } from '../data/dataset.ts'
import type { NamedTensors } from '../runtime/backend.ts'

/** Examples in one run of the graph. */
const batchSize = 256

/**
 * Runs the pipeline over every example, in the dataset's order: what evaluation scores is what the server would answer. Each input of the
 * model is the column of its name. Returns the outputs of all by their names, `[examples, ...]` each.
 */
export async function scoreDataset(
  pipeline: Pick<Pipeline, 'infer' | 'manifest'>,
  dataset: Dataset,
  options: { onProgress?: ((done: number, total: number) => void) | undefined; signal?: AbortSignal | undefined } = {},
): Promise<Record<string, Tensor<Float32Array>>> {
  const { inputs, outputs } = pipeline.manifest
  const capacity = Math.min(batchSize, dataset.length)
  const into = Object.fromEntries(
    inputs.map(({ name }): [string, NumericArray] => {
      const column = columnType(dataset, name)
      return [name, new dtypes[column.dtype].array!(capacity * exampleSize(column))]
    }),
  )
  const batches = createBatches(dataset, { batchSize, into })
  const answers: Record<string, Tensor<Float32Array>> = {}
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
    for (const { name } of outputs) {
      const { data, shape } = results[name] as Tensor<Float32Array>
      const width = data.length / count
      answers[name] ??= float32([dataset.length, ...shape.slice(1)], new Float32Array(dataset.length * width))
      answers[name].data.set(data, step * batchSize * width)
    }
    options.onProgress?.(step * batchSize + count, dataset.length)
  }
  return answers
}
