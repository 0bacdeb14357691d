/** Tables read whole, for tests. */
import { openTable, type TableAddress, type TableOptions } from '../src/data/sources/open-table.ts'
import { cellText, joinTables, type Table } from '../src/data/table/table.ts'
import type { SkippedRow, TableSchema } from '../src/data/table/table-source.ts'

/** All that an iteration yields. */
export async function collected<T>(from: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of from) all.push(item)
  return all
}

export interface ReadTable {
  readonly schema: TableSchema
  readonly table: Table
  readonly chunks: readonly Table[]
  readonly skipped: readonly SkippedRow[]
  readonly digest: string
  readonly kinds: Readonly<Record<string, string>>
  cells(name: string): (string | undefined)[]
}

/** Opens a table, reads all of it and closes it, whatever happens. */
export async function readAll(
  source: TableAddress,
  { batch, ...options }: TableOptions & { batch?: number } = {},
): Promise<ReadTable> {
  const open = await openTable(source, options)
  try {
    const schema = await open.schema()
    const chunks = await collected(open.read({ batch }))
    const table = joinTables(chunks)
    return {
      ...{ schema, table, chunks, skipped: open.skipped, digest: await open.digest() },
      kinds: Object.fromEntries(schema.columns.map(({ name, kind }) => [name, kind])),
      cells: (name) => Array.from({ length: table.rows }, (_, row) => cellText(table.columns.get(name)!, row)),
    }
  } finally {
    await open.release()
  }
}
