/**
 * A table that does not fit into memory, cleaned: its rows go through the rules chunk by chunk into a spool, which is a table like any other. What is held of
 * a row that is left is its place in the source; of a rule that drops repeated rows, a hash.
 */
import type { CleaningStep, CleanRule } from '../../contract/clean.ts'
import { textColumns } from '../clean/clean-table.ts'
import { cellOf, createCleaner, refuseNone } from '../clean/cleaner.ts'
import { type CellValue, columnsOf, isValueRule } from '../clean/value-rules.ts'
import type { Column } from '../table/table.ts'
import type { ColumnInfo, TableSchema, TableSource } from '../table/table-source.ts'
import type { ColumnHint } from './decide-kind.ts'
import { openOrigin } from './duckdb-table.ts'
import type { SpoolColumn, SpoolRows } from './spool.ts'
import { spooledOrigin } from './spooled-origin.ts'

export interface CleanedSource {
  /** names rows as the source that it was made of does */
  readonly source: TableSource
  /** rows of that source, by row of this one */
  readonly rows: Int32Array
  readonly steps: readonly CleaningStep[]
}

/** Whether the rules can be applied to one chunk after the other: the last of equal rows is known at the end alone. */
export function worksByChunks(rules: readonly CleanRule[]): boolean {
  return rules.every((rule) => rule.rule !== 'dedupe' || rule.keep === 'first')
}

/** What DuckDB casts the texts of a column to that no rule made something else of. */
const types: Readonly<Record<string, string>> = { number: 'DOUBLE', boolean: 'BOOLEAN', date: 'TIMESTAMP' }

/**
 * @param hints what the configuration says of columns
 * @throws QuernError as `cleanTable` does
 */
export async function cleanedSource(
  file: TableSource,
  schema: TableSchema,
  { rules, hints }: { readonly rules: readonly CleanRule[]; readonly hints: Readonly<Record<string, ColumnHint>> },
): Promise<CleanedSource> {
  const changed = new Set(rules.filter(isValueRule).flatMap(({ columns }) => columnsOf(columns)))
  const asText = textColumns(rules)
  // What was read as a text may be anything behind the rules; what no rule touched is what it was.
  const isOpen = ({ name }: ColumnInfo): boolean =>
    changed.has(name) && (asText.includes(name) || hints[name]?.kind !== undefined)
  const columns = schema.columns.map((info): SpoolColumn => {
    const type = changed.has(info.name) && info.kind !== 'date' ? undefined : types[info.kind]
    return { name: info.name, type: isOpen(info) ? 'VARCHAR' : (type ?? 'VARCHAR') }
  })
  const cleaner = createCleaner(rules, (row) => file.nameOfRow(row))
  const rows = new Int32Array(schema.rows)
  let count = 0
  async function* batches(): AsyncGenerator<SpoolRows> {
    for await (const chunk of file.read({ apart: true })) {
      const cleaned = cleaner.next(chunk)
      const readers = columns.map(({ name }) => readerOf(chunk.columns.get(name)!, cleaned.cells.get(name)))
      for (const row of cleaned.rows) rows[count++] = chunk.first + row
      yield { columns, rows: cleaned.rows.map((row) => readers.map((read) => read(row))) }
    }
    refuseNone(count, cleaner.steps())
  }
  const nameOfRow = (row: number): string => file.nameOfRow(rows[row]!)
  const origin = spooledOrigin({ what: file.what, folder: '.', batches, nameOfRow })
  const known = schema.columns.map(
    (info) => [info.name, isOpen(info) ? (hints[info.name] ?? {}) : { kind: info.kind }] as const,
  )
  const spooled = await openOrigin(origin, { missing: [], columns: Object.fromEntries(known) })
  try {
    const found = await spooled.schema()
    const before = new Map(schema.columns.map((info) => [info.name, info]))
    const after: TableSchema = {
      ...found,
      unusable: schema.unusable,
      // Dates come as times here; a row to predict is written as the source is.
      columns: found.columns.map((info) =>
        changed.has(info.name) ? info : { ...info, format: before.get(info.name)!.format },
      ),
    }
    const source: TableSource = {
      what: file.what,
      skipped: file.skipped,
      schema: async () => after,
      read: (options) => spooled.read(options),
      nameOfRow,
      rowNames: () => file.rowNames(),
      digest: () => file.digest(),
      release: () => spooled.release(),
    }
    return { source, rows: rows.slice(0, count), steps: cleaner.steps() }
  } catch (error) {
    await spooled.release()
    throw error
  }
}

/** Cells as texts of the spool. */
function readerOf(column: Column, cells: readonly CellValue[] | undefined): (row: number) => string | null {
  return (row) => {
    const cell = cells ? cells[row] : cellOf(column, row)
    if (cell === undefined) return null
    return Object.is(cell, -0) ? '-0' : String(cell)
  }
}
