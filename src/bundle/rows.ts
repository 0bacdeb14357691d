/** Many examples on their way to the graph: prepared side by side, a chunk ahead of the run, then joined to one batch. */
import { dtypes } from '../core/dtype.ts'
import { messageOf, QuernError } from '../core/errors.ts'
import { sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import type { NamedTensors } from '../runtime/backend.ts'

/** The inputs of many examples, `[1, ...]` each, as one batch. */
export function joinFeeds(feeds: readonly NamedTensors[]): NamedTensors {
  const names = Object.keys(feeds[0]!)
  return Object.fromEntries(names.map((name) => [name, joinRows(feeds.map((feed) => feed[name]!))]))
}

/** One tensor `[count, ...]` of tensors `[1, ...]` of the same type and sizes. */
function joinRows(rows: readonly Tensor[]): Tensor {
  const first = rows[0]!
  if (rows.length === 1) return first
  const shape = [rows.length, ...first.shape.slice(1)]
  const { array } = dtypes[first.dtype]
  if (!array) return { dtype: first.dtype, shape, data: rows.flatMap((row) => row.data as string[]) }
  const size = sizeOf(first.shape)
  const data = new array(size * rows.length)
  rows.forEach((row, i) => {
    // All rows have one dtype, so one array type: numbers among numbers, or bigints among bigints.
    ;(data as Uint8Array).set(row.data as Uint8Array, i * size)
  })
  return { dtype: first.dtype, shape, data }
}

/** Chunks of at most `size` results; while the consumer works on one, the next is prepared. Failures take their place. */
export async function* prepareAhead<Input, Result>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  size: number,
  prepare: (input: Input) => Promise<Result>,
): AsyncGenerator<(Result | QuernError)[]> {
  const attempt = (input: Input): Promise<Result | QuernError> => prepare(input).catch(asQuernError)
  let ready: Promise<(Result | QuernError)[]> | undefined
  for await (const chunk of chunksOf(inputs, size)) {
    const next = Promise.all(chunk.map(attempt))
    if (ready) yield await ready
    ready = next
  }
  if (ready) yield await ready
}

async function* chunksOf<Input>(inputs: Iterable<Input> | AsyncIterable<Input>, size: number): AsyncGenerator<Input[]> {
  let chunk: Input[] = []
  for await (const input of inputs) {
    chunk.push(input)
    if (chunk.length < size) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}

function asQuernError(error: unknown): QuernError {
  return error instanceof QuernError ? error : new QuernError('io', messageOf(error), { cause: error })
}
