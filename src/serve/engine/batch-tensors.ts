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
  const first = parts[0]!
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  return Object.fromEntries(
    Object.keys(first.feeds).map((name) => {
      const { dtype, shape } = first.feeds[name]!
      const joined = [rows, ...shape.slice(1)]
      const { array } = dtypes[dtype]
      if (!array) {
        return [name, { dtype, shape: joined, data: parts.flatMap((part) => part.feeds[name]!.data as string[]) }]
      }
      const data = new array(sizeOf(joined))
      let at = 0
      for (const part of parts) {
        const from = part.feeds[name]!.data as Uint8Array
        // All parts have one dtype: numbers among numbers, or bigints among bigints.
        ;(data as Uint8Array).set(from, at)
        at += from.length
      }
      return [name, { dtype, shape: joined, data }]
    }),
  )
}

/** The results of each part: views on the memory of the whole. Throws when an output has not one row for each example. */
export function splitResults(
  results: Readonly<Record<string, Tensor>>,
  parts: readonly Pick<Part, 'rows'>[],
): Record<string, Tensor>[] {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  for (const [name, { shape }] of Object.entries(results)) {
    if (shape[0] === rows) continue
    throw new QuernError('input', `output '${name}' of a batch of ${rows} has the shape ${formatShape(shape)}`)
  }
  let first = 0
  return parts.map((part) => {
    const own = Object.entries(results).map(([name, { dtype, shape, data }]) => {
      const size = sizeOf(shape.slice(1))
      const [from, to] = [first * size, (first + part.rows) * size]
      const cut = Array.isArray(data) ? data.slice(from, to) : (data as Uint8Array).subarray(from, to)
      return [name, { dtype, shape: [part.rows, ...shape.slice(1)], data: cut as Tensor['data'] }]
    })
    first += part.rows
    return Object.fromEntries(own) as Record<string, Tensor>
  })
}
