/** Applies the cleaning rules of a configuration to a table, in their order, and tells what each of them did. */
import type { CleaningStep, CleanRule, DedupeRule, DropRule, ValueRule } from '../../contract/clean.ts'
import { messageOf, QuernError, suggestion } from '../../core/errors.ts'
import type { ColumnHint } from '../sources/decide-kind.ts'
import { type Column, cellText, isPresent, pickRows, type Table } from '../table/table.ts'
import type { ColumnInfo, TableSchema } from '../table/table-source.ts'
import { columnFromCleaned } from './infer-column.ts'
import {
  type CellValue,
  checkPattern,
  columnsOf,
  describeValueRule,
  isValueRule,
  numberOf,
  readsText,
  valueChange,
} from './value-rules.ts'

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

const listed = 5

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
  const state = new Cleaning(table, nameOfRow)
  const steps = rules.map((rule) =>
    rule.rule === 'drop' ? state.drop(rule) : rule.rule === 'dedupe' ? state.dedupe(rule) : state.change(rule),
  )
  const rows = Int32Array.from(state.rows)
  if (rows.length === 0) {
    throw new QuernError('input', `data.clean leaves no row: ${steps.map((s) => `${s.rule}: ${s.rows}`).join('; ')}`)
  }
  const picked = pickRows(table, rows)
  const columns = new Map(picked.columns)
  const infos = new Map(schema.columns.map((info) => [info.name, info]))
  for (const [name, cells] of state.cells) {
    const left = Array.from(rows, (row) => cells[row])
    const hint = hints[name] ?? {}
    const kind = infos.get(name)!.kind
    const wanted = hint.kind || readAsText(rules, name) ? hint : { ...hint, kind }
    const { column, format } = columnFromCleaned(name, left, { hint: wanted, nameOf: (i) => nameOfRow(rows[i]!) })
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

class Cleaning {
  /** rows that are left */
  rows: number[]
  /** of columns that rules touched, by row of the table that came */
  readonly cells = new Map<string, CellValue[]>()
  readonly #table: Table
  readonly #nameOf: (row: number) => string

  constructor(table: Table, nameOf: (row: number) => string) {
    this.#table = table
    this.#nameOf = nameOf
    this.rows = Array.from({ length: table.rows }, (_, i) => i)
  }

  change(rule: ValueRule): CleaningStep {
    const change = valueChange(rule)
    const touched = new Set<number>()
    const examples: string[] = []
    for (const name of columnsOf(rule.columns)) {
      const cells = this.#cellsOf(name, rule.rule)
      // Equal values become equal ones: most columns have few.
      const known = new Map<CellValue, CellValue>()
      for (const row of this.rows) {
        const before = cells[row]
        const after = known.has(before) ? known.get(before) : this.#changed(change, before, name, row)
        known.set(before, after)
        if (after === before) continue
        cells[row] = after
        if (!touched.has(row) && examples.length < listed) {
          examples.push(`${this.#nameOf(row)}: ${text(before)} -> ${text(after)}`)
        }
        touched.add(row)
      }
    }
    return { rule: describeValueRule(rule), rows: touched.size, dropped: false, examples }
  }

  #changed(change: (cell: CellValue) => CellValue, cell: CellValue, column: string, row: number): CellValue {
    try {
      return change(cell)
    } catch (cause) {
      const hint = cause instanceof QuernError ? cause.hint : undefined
      throw new QuernError('input', `${this.#nameOf(row)}: column '${column}': ${messageOf(cause)}`, {
        ...(hint === undefined ? {} : { hint }),
        cause,
      })
    }
  }

  drop({ columns, where }: DropRule): CleaningStep {
    if (where.matches !== undefined) checkPattern(where.matches)
    const tests = testsOf(where)
    if (tests.length === 0) {
      throw new QuernError('config', "data.clean: 'drop' needs a condition: missing, below, above, oneOf or matches")
    }
    const names = columnsOf(columns)
    const readers = names.map((name) => this.#reader(name, 'drop'))
    const isMeant = (row: number): boolean => readers.some((read) => tests.every((test) => test(read(row))))
    const conditions = Object.entries(where).map(([key, value]) => `${key} ${JSON.stringify(value)}`)
    return this.#leave(`drop rows where ${names.join(' or ')}: ${conditions.join(', ')}`, isMeant, (row) =>
      readers.map((read) => text(read(row))).join(', '),
    )
  }

  dedupe({ columns, keep }: DedupeRule): CleaningStep {
    const names = columns === undefined ? [...this.#table.columns.keys()] : columnsOf(columns)
    const readers = names.map((name) => this.#reader(name, 'dedupe'))
    const seen = new Map<string, number>()
    const repeats = new Map<number, number>()
    for (const row of keep === 'first' ? this.rows : this.rows.toReversed()) {
      const key = JSON.stringify(readers.map((read) => read(row) ?? null))
      const kept = seen.get(key)
      if (kept === undefined) seen.set(key, row)
      else repeats.set(row, kept)
    }
    const rule = `drop rows that repeat another${columns === undefined ? '' : ` in ${names.join(', ')}`}, keep the ${keep}`
    return this.#leave(
      rule,
      (row) => repeats.has(row),
      (row) => `as ${this.#nameOf(repeats.get(row)!)}`,
    )
  }

  #leave(rule: string, isMeant: (row: number) => boolean, why: (row: number) => string): CleaningStep {
    const left = this.rows.filter(isMeant)
    const examples = left.slice(0, listed).map((row) => `${this.#nameOf(row)}: ${why(row)}`)
    if (left.length > 0) this.rows = this.rows.filter((row) => !isMeant(row))
    return { rule, rows: left.length, dropped: true, examples }
  }

  #column(name: string, rule: string): Column {
    const column = this.#table.columns.get(name)
    if (column) return column
    const known = this.#table.columns.keys()
    throw new QuernError(
      'config',
      `data.clean: the rule '${rule}' names the column '${name}', which there is not. ${suggestion(name, known)}`,
    )
  }

  #cellsOf(name: string, rule: string): CellValue[] {
    const found = this.cells.get(name)
    if (found) return found
    const column = this.#column(name, rule)
    if (column.kind === 'set' || column.kind === 'vector' || column.kind === 'image' || column.kind === 'audio') {
      throw new QuernError('config', `data.clean: the rule '${rule}' cannot change column '${name}' of ${column.kind}s`)
    }
    const cells = Array.from({ length: this.#table.rows }, (_, row) => cellOf(column, row))
    this.cells.set(name, cells)
    return cells
  }

  #reader(name: string, rule: string): (row: number) => CellValue {
    const column = this.#column(name, rule)
    return (row) => {
      const cells = this.cells.get(name)
      return cells ? cells[row] : cellOf(column, row)
    }
  }
}

const text = (cell: CellValue): string => (cell === undefined ? 'none' : String(cell).slice(0, 60))

function cellOf(column: Column, row: number): CellValue {
  if (!isPresent(column.valid, row)) return undefined
  return column.kind === 'number' ? column.values[row] : cellText(column, row)
}

/** Conditions of a `drop`, all of which must hold. Numbers and dates are compared by their size. */
function testsOf(where: DropRule['where']): ((cell: CellValue) => boolean)[] {
  const { missing, below, above, oneOf, matches } = where
  const size = (cell: CellValue): number => numberOf(cell) ?? (typeof cell === 'string' ? Date.parse(cell) : Number.NaN)
  const texts = new Set(oneOf?.map(String))
  const expression = matches === undefined ? undefined : new RegExp(matches)
  return [
    ...(missing ? [(cell: CellValue) => cell === undefined] : []),
    ...(below === undefined ? [] : [(cell: CellValue) => size(cell) < size(below)]),
    ...(above === undefined ? [] : [(cell: CellValue) => size(cell) > size(above)]),
    ...(oneOf ? [(cell: CellValue) => texts.has(cell === undefined ? 'null' : String(cell))] : []),
    ...(expression ? [(cell: CellValue) => cell !== undefined && expression.test(String(cell))] : []),
  ]
}
