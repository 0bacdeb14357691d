/** A table of any origin through DuckDB, streamed: a chunk is in memory, never the whole. */

import { resolve } from 'node:path'
import type { DuckDBDataChunk } from '@duckdb/node-api'
import { messageOf, QuernError, suggestion } from '../../core/errors.ts'
import { missingTexts } from '../table/cells.ts'
import type { ColumnKind, Table } from '../table/table.ts'
import type { ColumnInfo, ReadOptions, RowNames, SkippedRow, TableSchema, TableSource } from '../table/table-source.ts'
import { type ReadColumn, readColumn, tableOfChunks } from './chunk-columns.ts'
import { asBoolean, asDate } from './count-kinds.ts'
import type { ColumnHint } from './decide-kind.ts'
import { connectDuckDb, type DuckDBConnection, query, sqlName, sqlText } from './duckdb.ts'
import { type EnumCodes, enumCodes, fewestRows, mostCodes } from './enum-codes.ts'
import { inferKinds } from './infer-kinds.ts'
import { fileError } from './read-error.ts'
import type { TableOrigin } from './table-origin.ts'

/** How the columns of a table are read. */
export interface ColumnOptions {
  /** texts that mean that there is no value */
  readonly missing?: readonly string[] | undefined
  /** kinds that the configuration gives */
  readonly columns?: Readonly<Record<string, ColumnHint>> | undefined
  /** columns that are not looked at */
  readonly ignore?: readonly string[] | undefined
}

/** Types of DuckDB by what they are to us; 64-bit integers beyond 2^53 lose their last digits. */
const typeKinds: readonly (readonly [RegExp, ColumnKind])[] = [
  [/^BOOLEAN$/, 'boolean'],
  [/^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\([^)]*\))$/, 'number'],
  [/^(DATE|TIMESTAMP.*)$/, 'date'],
  [/^(U?(TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE|DECIMAL\([^)]*\))\[\d*\]$/, 'vector'],
  [/^VARCHAR\[\]$/, 'set'],
]
const kindOfType = (type: string): ColumnKind | undefined => typeKinds.find(([pattern]) => pattern.test(type))?.[1]
const isText = (type: string): boolean => /^(VARCHAR|JSON|UUID|ENUM\(.*\))$/s.test(type)

export async function openOrigin(origin: TableOrigin, options: ColumnOptions): Promise<TableSource> {
  return new DuckDbTable(await connectDuckDb(), origin, options)
}

class DuckDbTable implements TableSource {
  readonly what: string
  readonly skipped: SkippedRow[] = []
  readonly #connection: DuckDBConnection
  readonly #origin: TableOrigin
  readonly #options: ColumnOptions
  #schema: Promise<TableSchema> | undefined
  /** SQL that reads the rows as they are */
  #relation = ''
  /** columns that are texts in the origin */
  #texts: ReadonlySet<string> = new Set()
  /** the relation fails at a cell that is not of its column's type, of which there was none when the kinds were found */
  #isTyped = false
  /** the different values of columns where they are known */
  readonly #listed = new Map<string, readonly string[]>()

  constructor(connection: DuckDBConnection, origin: TableOrigin, options: ColumnOptions) {
    this.#connection = connection
    this.#origin = origin
    const known = Object.entries(origin.kinds ?? {}).map(([name, kind]) => [name, { kind }])
    this.#options = { ...options, columns: { ...Object.fromEntries(known), ...options.columns } }
    this.what = origin.what
  }

  nameOfRow(row: number): string {
    return this.#origin.nameOfRow(row)
  }

  rowNames(): RowNames {
    return this.#origin.rowNames()
  }

  schema(): Promise<TableSchema> {
    this.#schema ??= this.#asErrors(() => this.#readSchema())
    return this.#schema
  }

  async *read({ columns, batch = 8192, apart = false }: ReadOptions = {}): AsyncGenerator<Table> {
    const schema = await this.schema()
    const known = new Map(schema.columns.map((column) => [column.name, column]))
    const asked = (columns ?? [...known.keys()]).map((name) => {
      const column = known.get(name)
      if (column) return column
      throw new QuernError('missing', `${this.what} has no column '${name}'. ${suggestion(name, known.keys())}`)
    })
    const { codes, drop } = await this.#asErrors(() => this.#codesOf(asked, schema.rows))
    try {
      const read = () => asked.map((column, i) => readColumn(column, this.#textOf(column.kind), codes[i]?.texts))
      const all = read()
      const select = asked.map((column, i) => codes[i]?.expression ?? this.#expression(column)).join(', ')
      yield* this.#chunks(select, () => (apart ? read() : all), batch)
    } finally {
      await drop()
    }
    if (this.skipped.length === 0) this.skipped.push(...(await this.#origin.skipped(this.#connection)))
    await this.#origin.verify()
  }

  async *#chunks(select: string, made: () => readonly ReadColumn[], batch: number): AsyncGenerator<Table> {
    const result = await this.#asErrors(() => this.#connection.stream(`SELECT ${select} FROM ${this.#relation}`))
    let first = 0
    let pending: DuckDBDataChunk[] = []
    let waiting = 0
    for (;;) {
      const chunk = await this.#asErrors(() => result.fetchChunk())
      if (chunk && chunk.rowCount > 0) {
        pending.push(chunk)
        waiting += chunk.rowCount
        if (waiting < batch) continue
      }
      if (waiting > 0) yield this.#tableOf(pending, made(), waiting, first)
      first += waiting
      pending = []
      waiting = 0
      if (!chunk || chunk.rowCount === 0) return
    }
  }

  /** Codes of the columns that repeat few texts, by their places; only where there are rows enough to gain by it. */
  async #codesOf(columns: readonly ColumnInfo[], rows: number) {
    const places = columns.flatMap(({ kind, distinct }, i) =>
      rows >= fewestRows && kind === 'category' && distinct <= mostCodes ? [i] : [],
    )
    if (places.length === 0) return { codes: [], drop: async () => undefined }
    const cells = places.map((i) => ({
      cell: this.#expression(columns[i]!, false),
      texts: this.#listed.get(columns[i]!.name),
    }))
    const { codes, drop } = await enumCodes(this.#connection, this.#relation, cells)
    const all: (EnumCodes | undefined)[] = columns.map(() => undefined)
    for (const [k, i] of places.entries()) all[i] = codes[k]
    return { codes: all, drop }
  }

  digest(): Promise<string> {
    return this.#origin.digest()
  }

  async release(): Promise<void> {
    this.#connection.closeSync()
    await this.#origin.release()
  }

  #tableOf(chunks: readonly DuckDBDataChunk[], columns: readonly ReadColumn[], rows: number, first: number): Table {
    try {
      return tableOfChunks(chunks, columns, rows, first)
    } catch (error) {
      if (!(error instanceof QuernError)) throw error
      const where = `rows ${first + 1} to ${first + rows}`
      throw new QuernError(error.kind, `${this.what}, ${where}: ${error.message}`, { hint: error.hint, cause: error })
    }
  }

  /** References start from the folder of the table. */
  #textOf(kind: ColumnKind): (text: string) => string {
    if (kind !== 'image' && kind !== 'audio') return (text) => text
    return (text) => (text.startsWith('data:') ? text : resolve(this.#origin.folder, text))
  }

  async #readSchema(): Promise<TableSchema> {
    const { ignore = [] } = this.#options
    this.#relation = await this.#origin.relation(this.#connection)
    const described = await query(this.#connection, `DESCRIBE SELECT * FROM ${this.#relation}`)
    const types = described.map(({ column_name, column_type }) => [String(column_name), String(column_type)] as const)
    this.#checkNames(types.map(([name]) => name))
    const wanted = types.filter(([name]) => !ignore.includes(name))
    const usable = wanted.filter(([, type]) => isText(type) || kindOfType(type) !== undefined)
    const unusable = wanted
      .filter((column) => !usable.includes(column))
      .map(([name, type]) => ({ name, reason: `values of the type ${type} are not read` }))
    const texts = usable.filter(([, type]) => isText(type)).map(([name]) => name)
    const typed = usable.filter(([name]) => !texts.includes(name))
    const found = new Map<string, ColumnInfo>()
    let rows: number | undefined
    if (texts.length > 0) {
      const inferred = await this.#inferTexts(texts)
      rows = inferred.rows
      for (const { texts: listed, ...column } of inferred.columns) {
        found.set(column.name, column)
        if (listed) this.#listed.set(column.name, listed)
      }
      this.#relation = inferred.read.relation
      this.#isTyped = inferred.read.typed.size > 0
      this.#texts = new Set(texts.filter((name) => !inferred.read.typed.has(name)))
    }
    for (const column of await this.#typedColumns(typed)) found.set(column.name, column)
    if (rows === undefined) {
      const [count] = await query(this.#connection, `SELECT count(*) AS n FROM ${this.#relation}`)
      rows = Number(count!.n)
    }
    if (rows === 0) throw new QuernError('input', `${this.what} has no rows`)
    return { rows, columns: usable.map(([name]) => found.get(name)!), unusable }
  }

  #checkNames(known: readonly string[]): void {
    // Whoever knows the targets says what is wrong with them.
    const named = Object.entries(this.#options.columns ?? {}).flatMap(([name, { isTarget }]) =>
      isTarget ? [] : [name],
    )
    for (const name of [...named, ...(this.#options.ignore ?? [])]) {
      if (known.includes(name)) continue
      throw new QuernError(
        'config',
        `the configuration names the column '${name}', which ${this.what} does not have. ${suggestion(name, known)}`,
      )
    }
  }

  async #inferTexts(names: readonly string[]) {
    return inferKinds({
      connection: this.#connection,
      relationOf: (some, { relation, typed }, isNumbered = false) => {
        const cells = some.map((name) => (typed.has(name) ? sqlName(name) : `${this.#text(name)} AS ${sqlName(name)}`))
        return `(SELECT ${isNumbered ? 'row_number() OVER () AS "row", ' : ''}${cells.join(', ')} FROM ${relation})`
      },
      raw: this.#relation,
      typedRows: this.#origin.typedRelation,
      missing: this.#options.missing ?? missingTexts,
      names,
      hints: this.#options.columns ?? {},
      file: this.what,
      nameOfRow: (row) => this.#origin.nameOfRow(row).replace(`${this.what} `, ''),
      noRows: () => this.#noRows(),
      isLarge: this.#origin.isLarge,
    })
  }

  /** A table whose rows were all left out has rows. */
  async #noRows(): Promise<QuernError> {
    const skipped = await this.#origin.skipped(this.#connection)
    const [first] = skipped
    if (!first) return new QuernError('input', `${this.what} has no rows below its header`)
    const { message, hint } = fileError(first.reason, first.name, undefined)
    return new QuernError('input', `${message}; no row is left of ${skipped.length}`, { hint })
  }

  /** Columns that the origin itself types; a number may be meant as a name. */
  async #typedColumns(columns: readonly (readonly [string, string])[]): Promise<ColumnInfo[]> {
    if (columns.length === 0) return []
    const distinct = this.#origin.isLarge ? 'approx_count_distinct(' : 'count(DISTINCT '
    const parts = columns.flatMap(([name], i) => {
      const c = sqlName(name)
      return [`${distinct}${c}) AS u${i}`, `count(*) - count(${c}) AS m${i}`]
    })
    const [row] = await query(this.#connection, `SELECT ${parts.join(', ')} FROM ${this.#relation}`)
    return columns.map(([name, type], i) => {
      const own = kindOfType(type)!
      const kind = this.#options.columns?.[name]?.kind ?? own
      if (kind !== own && kind !== 'category') {
        throw new QuernError(
          'config',
          `${this.what}: column '${name}' is of the type ${type} and cannot be read as ${kind}`,
        )
      }
      return { name, kind, distinct: Number(row![`u${i}`]), missing: Number(row![`m${i}`]) }
    })
  }

  /** The cell as a text without spaces around it, NULL where there is no value. */
  #text(name: string): string {
    const cell = `trim(CAST(${sqlName(name)} AS VARCHAR))`
    const missing = (this.#options.missing ?? missingTexts).map(sqlText).join(', ')
    // NOT IN would be a join of its own for each column: gigabytes for a thousand of them.
    return missing === '' ? cell : `(CASE WHEN NOT list_contains([${missing}], ${cell}) THEN ${cell} END)`
  }

  /** The cell for casts that give NULL for the usual texts for no value: only those of the configuration must be asked for. */
  #castable(name: string): string {
    return this.#options.missing === undefined ? `trim(CAST(${sqlName(name)} AS VARCHAR))` : this.#text(name)
  }

  #expression({ name, kind, format }: ColumnInfo, isNamed = true): string {
    const isText = this.#texts.has(name)
    const cell = isText ? this.#text(name) : sqlName(name)
    const as = isNamed ? ` AS ${sqlName(name)}` : ''
    switch (kind) {
      case 'number': {
        // All cells of a column of texts are known to be finite; what is not in a typed one is missing.
        const number = isText ? `TRY_CAST(${this.#castable(name)} AS DOUBLE)` : `${cell}::DOUBLE`
        return `coalesce(${number}, 'NaN'::DOUBLE)${as}`
      }
      case 'date': {
        const time = isText ? asDate(this.#castable(name), format!) : `${cell}::TIMESTAMP`
        return `coalesce(epoch_ms(${time})::DOUBLE, 'NaN'::DOUBLE)${as}`
      }
      case 'boolean':
        return (isText ? asBoolean(cell) : cell) + as
      case 'vector':
        return (isText ? cell : `${cell}::DOUBLE[]`) + as
      case 'set':
        return cell + as
      default:
        return (isText ? cell : `${cell}::VARCHAR`) + as
    }
  }

  async #asErrors<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body()
    } catch (error) {
      if (error instanceof QuernError) throw error
      if (this.#isTyped) await this.#origin.verify()
      throw this.#origin.asError(messageOf(error), error)
    }
  }
}
