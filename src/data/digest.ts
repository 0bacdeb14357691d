/** What tells one state of the data from another: a hash over every element that a dataset holds. */
import { sha256, sha256OfText } from '../core/hash.ts'
import type { Dataset } from './dataset.ts'

/**
 * Hashes datasets by name (the splits of a project): their elements, which rows they consist of, and their class names. Columns
 * that datasets share are read once.
 */
export async function digestDatasets(datasets: Readonly<Record<string, Dataset>>): Promise<string> {
  const columns = new Map<unknown, string>()
  const parts: string[] = []
  for (const [name, dataset] of Object.entries(datasets)) {
    for (const [column, { dtype, shape, data }] of Object.entries(dataset.columns)) {
      let hash = columns.get(data)
      if (hash === undefined) {
        hash = Array.isArray(data) ? await sha256OfText(JSON.stringify(data)) : await sha256(bytesOf(data))
        columns.set(data, hash)
      }
      parts.push(`${name}.${column} ${dtype}[${shape}] ${hash}`)
    }
    for (const [column, { dtype, shape, digest }] of Object.entries(dataset.stored ?? {})) {
      parts.push(`${name}.${column} ${dtype}[${shape}] ${digest}`)
    }
    parts.push(`${name} rows ${await sha256(bytesOf(dataset.rows))} classes ${JSON.stringify(dataset.labels)}`)
  }
  return sha256OfText(parts.join('\n'))
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
