/** The rules of a configuration at work on tables that follow each other: the chunks of a source, or one table whole. Each rule sees what the ones before it left. */
import type { CleaningStep, CleanRule, DedupeRule, DropRule, ValueRule } from '../../contract/clean.ts'
import { messageOf, QuernError, suggestion } from '../../core/errors.ts'
import { type Column, cellText, isPresent, type Table } from '../table/table.ts'
import { RowKeys } from './row-keys.ts'
import { type CellValue, checkPattern, columnsOf, describeValueRule, numberOf, valueChange } from './value-rules.ts'

export interface CleanedRows {
  /** rows of the table that are left */
  readonly rows: readonly number[]
  /** of columns that rules change, by row of the table */
  readonly cells: ReadonlyMap<string, readonly CellValue[]>
}

export interface Cleaner {
  /** The next rows of the source, whose first is `table.first`. Throws `input` with the row for a value that a rule cannot take. */
  next(table: Table): CleanedRows
  /** what the rules did so far */
  steps(): CleaningStep[]
}

const listed = 5
/** Different values of a column whose changes are remembered. */
const mostKnown = 100_000

/**
 * @param nameOfRow of a row of the source
 * @throws QuernError 'config' for rules that can do nothing
 */
export function createCleaner(rules: readonly CleanRule[], nameOfRow: (row: number) => string): Cleaner {
  const working = rules.map((rule) =>
    rule.rule === 'drop' ? dropping(rule) : rule.rule === 'dedupe' ? deduping(rule, nameOfRow) : changing(rule),
  )
  return {
    next(table) {
      const state = new Chunk(table, nameOfRow)
      for (const work of working) work.next(state)
      return state
    },
    steps: () => working.map(({ step }) => ({ ...step, examples: [...step.examples] })),
  }
}

/** @throws QuernError 'input' with what each rule did, where nothing is left */
export function refuseNone(count: number, steps: readonly CleaningStep[]): void {
  if (count > 0) return
  throw new QuernError('input', `data.clean leaves no row: ${steps.map((s) => `${s.rule}: ${s.rows}`).join('; ')}`)
}

/** One rule: what it did so far, and how it goes on. */
interface Working {
  readonly step: Counting
  next(chunk: Chunk): void
}

interface Counting {
  readonly rule: string
  rows: number
  readonly dropped: boolean
  readonly examples: string[]
}

function changing(rule: ValueRule): Working {
  const change = valueChange(rule)
  const step: Counting = { rule: describeValueRule(rule), rows: 0, dropped: false, examples: [] }
  // Equal values become equal ones: most columns have few.
  const known = new Map(columnsOf(rule.columns).map((name) => [name, new Map<CellValue, CellValue>()]))
  return {
    step,
    next(chunk) {
      const touched = new Set<number>()
      for (const [name, changes] of known) {
        const cells = chunk.cellsOf(name, rule.rule)
        for (const row of chunk.rows) {
          const before = cells[row]
          const after = changes.has(before) ? changes.get(before) : chunk.changed(change, before, { name, row })
          if (changes.size >= mostKnown) changes.clear()
          changes.set(before, after)
          if (after === before) continue
          cells[row] = after
          if (!touched.has(row) && step.examples.length < listed) {
            step.examples.push(`${chunk.nameOf(row)}: ${text(before)} -> ${text(after)}`)
          }
          touched.add(row)
        }
      }
      step.rows += touched.size
    },
  }
}

function dropping({ columns, where }: DropRule): Working {
  if (where.matches !== undefined) checkPattern(where.matches)
  const tests = testsOf(where)
  if (tests.length === 0) {
    throw new QuernError('config', "data.clean: 'drop' needs a condition: missing, below, above, oneOf or matches")
  }
  const names = columnsOf(columns)
  const conditions = Object.entries(where).map(([key, value]) => `${key} ${JSON.stringify(value)}`)
  const rule = `drop rows where ${names.join(' or ')}: ${conditions.join(', ')}`
  const step: Counting = { rule, rows: 0, dropped: true, examples: [] }
  return {
    step,
    next(chunk) {
      const readers = names.map((name) => chunk.reader(name, 'drop'))
      chunk.leave(step, (row) => {
        if (!readers.some((read) => tests.every((test) => test(read(row))))) return undefined
        return () => readers.map((read) => text(read(row))).join(', ')
      })
    },
  }
}

/** To keep the last of equal rows, all of them must come at once. */
function deduping({ columns, keep }: DedupeRule, nameOfRow: (row: number) => string): Working {
  const rule = `drop rows that repeat another${columns === undefined ? '' : ` in ${columnsOf(columns).join(', ')}`}, keep the ${keep}`
  const step: Counting = { rule, rows: 0, dropped: true, examples: [] }
  const seen = new RowKeys()
  return {
    step,
    next(chunk) {
      const names = columns === undefined ? [...chunk.table.columns.keys()] : columnsOf(columns)
      const readers = names.map((name) => chunk.reader(name, 'dedupe'))
      const { first } = chunk.table
      const repeats = new Map<number, number>()
      for (const row of keep === 'first' ? chunk.rows : chunk.rows.toReversed()) {
        const kept = seen.add(JSON.stringify(readers.map((read) => read(row) ?? null)), first + row)
        if (kept !== undefined) repeats.set(row, kept)
      }
      chunk.leave(step, (row) => {
        const kept = repeats.get(row)
        return kept === undefined ? undefined : () => `as ${nameOfRow(kept)}`
      })
    },
  }
}

/** Some rows on their way through the rules. */
class Chunk implements CleanedRows {
  readonly table: Table
  readonly cells = new Map<string, CellValue[]>()
  rows: number[]
  readonly #nameOfRow: (row: number) => string

  constructor(table: Table, nameOfRow: (row: number) => string) {
    this.table = table
    this.#nameOfRow = nameOfRow
    this.rows = Array.from({ length: table.rows }, (_, i) => i)
  }

  nameOf(row: number): string {
    return this.#nameOfRow(this.table.first + row)
  }

  changed(
    change: (cell: CellValue) => CellValue,
    cell: CellValue,
    { name, row }: { readonly name: string; readonly row: number },
  ): CellValue {
    try {
      return change(cell)
    } catch (cause) {
      const hint = cause instanceof QuernError ? cause.hint : undefined
      throw new QuernError('input', `${this.nameOf(row)}: column '${name}': ${messageOf(cause)}`, {
        ...(hint === undefined ? {} : { hint }),
        cause,
      })
    }
  }

  /** Leaves out rows that there is a reason for. */
  leave(step: Counting, reasonOf: (row: number) => (() => string) | undefined): void {
    const left: number[] = []
    for (const row of this.rows) {
      const reason = reasonOf(row)
      if (!reason) {
        left.push(row)
        continue
      }
      step.rows++
      if (step.examples.length < listed) step.examples.push(`${this.nameOf(row)}: ${reason()}`)
    }
    this.rows = left
  }

  cellsOf(name: string, rule: string): CellValue[] {
    const found = this.cells.get(name)
    if (found) return found
    const column = this.#column(name, rule)
    if (column.kind === 'set' || column.kind === 'vector' || column.kind === 'image' || column.kind === 'audio') {
      throw new QuernError('config', `data.clean: the rule '${rule}' cannot change column '${name}' of ${column.kind}s`)
    }
    const cells = Array.from({ length: this.table.rows }, (_, row) => cellOf(column, row))
    this.cells.set(name, cells)
    return cells
  }

  reader(name: string, rule: string): (row: number) => CellValue {
    const column = this.#column(name, rule)
    const cells = this.cells.get(name)
    return (row) => (cells ? cells[row] : cellOf(column, row))
  }

  #column(name: string, rule: string): Column {
    const column = this.table.columns.get(name)
    if (column) return column
    const known = this.table.columns.keys()
    throw new QuernError(
      'config',
      `data.clean: the rule '${rule}' names the column '${name}', which there is not. ${suggestion(name, known)}`,
    )
  }
}

const text = (cell: CellValue): string => (cell === undefined ? 'none' : String(cell).slice(0, 60))

/** A cell as rules see it: numbers as they are, all else as its text. */
export function cellOf(column: Column, row: number): CellValue {
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
