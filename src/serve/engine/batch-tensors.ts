/** Requests joined to one run along the batch axis, and its results cut into those of each. */
import { dtypes } from '../../core/dtype.ts'
import { QuernError } from '../../core/errors.ts'
import { formatShape, sizeOf } from '../../core/shape.ts'
import type { Tensor } from '../../core/tensor.ts'
import type { NamedTensors } from '../../runtime/backend.ts'

export interface Part {
  readonly feeds: NamedTensors
  readonly rows: number
}

/** Fresh memory: it may be transferred to a worker. */
export function joinFeeds(parts: readonly Part[]): NamedTensors {
  const { feeds } = parts[0]!
  const rows = rowsOf(parts)
  const joined: Record<string, Tensor> = {}
  for (const name in feeds) joined[name] = join(parts, name, rows)
  return joined
}

function join(parts: readonly Part[], name: string, rows: number): Tensor {
  const { dtype, shape: own } = parts[0]!.feeds[name]!
  const shape = [rows, ...own.slice(1)]
  const { array } = dtypes[dtype]
  if (!array) return { dtype, shape, data: parts.flatMap((part) => part.feeds[name]!.data as string[]) }
  const data = new array(sizeOf(shape))
  let at = 0
  for (const part of parts) {
    const from = part.feeds[name]!.data as Uint8Array
    // All parts have one dtype: numbers among numbers, or bigints among bigints.
    ;(data as Uint8Array).set(from, at)
    at += from.length
  }
  return { dtype, shape, data }
}

/** The results of each part: views on the memory of the whole. Throws when an output has not one row for each example. */
export function splitResults(
  results: Readonly<Record<string, Tensor>>,
  parts: readonly Pick<Part, 'rows'>[],
): Record<string, Tensor>[] {
  const rows = rowsOf(parts)
  for (const name in results) {
    const { shape } = results[name]!
    if (shape[0] === rows) continue
    throw new QuernError('input', `output '${name}' of a batch of ${rows} has the shape ${formatShape(shape)}`)
  }
  let first = 0
  return parts.map((part) => {
    const own: Record<string, Tensor> = {}
    for (const name in results) own[name] = cut(results[name]!, first, part.rows)
    first += part.rows
    return own
  })
}

/** Rows of a tensor, along its first axis. */
function cut({ dtype, shape, data }: Tensor, first: number, rows: number): Tensor {
  const one = shape.slice(1)
  const size = sizeOf(one)
  const [from, to] = [first * size, (first + rows) * size]
  const own = Array.isArray(data) ? data.slice(from, to) : (data as Uint8Array).subarray(from, to)
  return { dtype, shape: [rows, ...one], data: own as Tensor['data'] }
}

const rowsOf = (parts: readonly Pick<Part, 'rows'>[]): number => parts.reduce((sum, { rows }) => sum + rows, 0)
