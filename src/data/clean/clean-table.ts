/** Applies the cleaning rules of a configuration to a table, in their order, and tells what each of them did. */
import type { CleaningStep, CleanRule, ValueRule } from '../../contract/clean.ts'
import type { ColumnHint } from '../sources/decide-kind.ts'
import { cellText, pickRows, type Table } from '../table/table.ts'
import type { ColumnInfo, TableSchema } from '../table/table-source.ts'
import { createCleaner, refuseNone } from './cleaner.ts'
import { columnFromCleaned } from './infer-column.ts'
import { columnsOf, isValueRule, readsText } from './value-rules.ts'

export interface CleanOptions {
  readonly rules: readonly CleanRule[]
  /** what the configuration says of columns */
  readonly hints: Readonly<Record<string, ColumnHint>>
  nameOfRow(row: number): string
}

export interface Cleaned {
  readonly table: Table
  readonly schema: TableSchema
  /** rows of the table that came, by those of the table that goes */
  readonly rows: Int32Array
  readonly steps: readonly CleaningStep[]
}

/** Columns that a source must hand over as texts, since rules change them before it is known what they hold. */
export function textColumns(rules: readonly CleanRule[]): string[] {
  const names = rules.flatMap((rule) => (isValueRule(rule) && readsText(rule) ? columnsOf(rule.columns) : []))
  return [...new Set(names)]
}

/** The rules that a bundle keeps for the columns that its model reads. */
export function rulesToKeep(rules: readonly CleanRule[], used: readonly string[]): ValueRule[] {
  return rules.filter(isValueRule).flatMap((rule) => {
    const columns = columnsOf(rule.columns).filter((name) => used.includes(name))
    return columns.length > 0 ? [{ ...rule, columns }] : []
  })
}

/**
 * Cleans a table whole. Rules see what the ones before them left.
 *
 * @throws QuernError 'config' for columns that there are not and rules that can do nothing, 'input' with file and row for a value that a rule
 * cannot take, and when no row is left
 */
export function cleanTable(table: Table, schema: TableSchema, options: CleanOptions): Cleaned {
  const { rules, hints, nameOfRow } = options
  const cleaner = createCleaner(rules, nameOfRow)
  const { rows: left, cells } = cleaner.next(table)
  const steps = cleaner.steps()
  const rows = Int32Array.from(left)
  refuseNone(rows.length, steps)
  const picked = pickRows(table, rows)
  const columns = new Map(picked.columns)
  const infos = new Map(schema.columns.map((info) => [info.name, info]))
  for (const [name, changed] of cells) {
    const values = Array.from(rows, (row) => changed[row])
    const hint = hints[name] ?? {}
    const kind = infos.get(name)!.kind
    const wanted = hint.kind || readAsText(rules, name) ? hint : { ...hint, kind }
    const { column, format } = columnFromCleaned(name, values, { hint: wanted, nameOf: (i) => nameOfRow(rows[i]!) })
    columns.set(name, column)
    infos.set(name, { name, kind: column.kind, format, distinct: 0, missing: 0 })
  }
  const cleaned: Table = { ...picked, columns }
  const counted = [...infos.values()].map((info) => recounted(info, cleaned))
  return { table: cleaned, schema: { ...schema, rows: rows.length, columns: counted }, rows, steps }
}

function readAsText(rules: readonly CleanRule[], name: string): boolean {
  return textColumns(rules).includes(name)
}

function recounted(info: ColumnInfo, table: Table): ColumnInfo {
  const column = table.columns.get(info.name)!
  const values = new Set<string>()
  let missing = 0
  for (let row = 0; row < table.rows; row++) {
    const text = cellText(column, row)
    if (text === undefined) missing++
    else values.add(text)
  }
  return { ...info, distinct: values.size, missing }
}
