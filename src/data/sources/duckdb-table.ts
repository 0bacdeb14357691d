/** Tables from CSV, TSV, JSON, JSON lines and Parquet through DuckDB, streamed: a chunk is in memory, never the file. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { DuckDBDataChunk } from '@duckdb/node-api'
import { messageOf, QuernError, suggestion } from '../../core/errors.ts'
import { missingTexts } from '../table/cells.ts'
import { bitmap, type Column, type Table } from '../table/table.ts'
import type { ColumnInfo, ReadOptions, SkippedRow, TableSchema, TableSource } from '../table/table-source.ts'
import { connectDuckDb, type DuckDBConnection, query, sqlName, sqlText } from './duckdb.ts'
import { asBoolean, asDate, asNumber, type ColumnHint, inferKinds } from './infer-kinds.ts'
import { fileError } from './read-error.ts'
import { type FileOptions, locateTable, relationOf, type TableFile } from './table-file.ts'

export interface TableFileOptions extends FileOptions {
  /** texts that mean that there is no value */
  readonly missing?: readonly string[] | undefined
  /** kinds that the configuration gives */
  readonly columns?: Readonly<Record<string, ColumnHint>> | undefined
  /** columns that are not looked at */
  readonly ignore?: readonly string[] | undefined
}

/** Types of DuckDB that are numbers to us; 64-bit integers beyond 2^53 lose their last digits. */
const numberTypes = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL.*)$/
const dateTypes = /^(DATE|TIMESTAMP.*)$/

/** Opens a file. Nothing but its beginning is read until `schema` or `read`. */
export async function openTableFile(source: string, options: TableFileOptions = {}): Promise<TableSource> {
  const file = await locateTable(source, options)
  return new DuckDbTable(await connectDuckDb(), file, options)
}

class DuckDbTable implements TableSource {
  readonly what: string
  readonly skipped: SkippedRow[] = []
  readonly #connection: DuckDBConnection
  readonly #file: TableFile
  readonly #options: TableFileOptions
  #schema: Promise<TableSchema> | undefined
  /** SQL that reads the file as it is */
  #relation = ''
  /** columns that are texts in the file */
  #texts: ReadonlySet<string> = new Set()

  constructor(connection: DuckDBConnection, file: TableFile, options: TableFileOptions) {
    this.#connection = connection
    this.#file = file
    this.#options = options
    this.what = file.name
  }

  nameOfRow(row: number): string {
    return `${this.what} row ${row + 1}`
  }

  schema(): Promise<TableSchema> {
    this.#schema ??= this.#asFileErrors(() => this.#readSchema())
    return this.#schema
  }

  async *read({ columns, batch = 8192 }: ReadOptions = {}): AsyncGenerator<Table> {
    const schema = await this.schema()
    const known = new Map(schema.columns.map((column) => [column.name, column]))
    const asked = (columns ?? [...known.keys()]).map((name) => {
      const column = known.get(name)
      if (column) return column
      throw new QuernError('missing', `${this.what} has no column '${name}'. ${suggestion(name, known.keys())}`)
    })
    const dictionaries = asked.map((): Dictionary => ({ texts: [], places: new Map() }))
    const select = asked.map((column) => this.#expression(column)).join(', ')
    const result = await this.#asFileErrors(() => this.#connection.stream(`SELECT ${select} FROM ${this.#relation}`))
    let first = 0
    let pending: DuckDBDataChunk[] = []
    let waiting = 0
    for (;;) {
      const chunk = await this.#asFileErrors(() => result.fetchChunk())
      if (chunk && chunk.rowCount > 0) {
        pending.push(chunk)
        waiting += chunk.rowCount
        if (waiting < batch) continue
      }
      if (waiting > 0) {
        const table = tableOf(pending, asked, dictionaries, waiting, first)
        yield table
        first += waiting
        pending = []
        waiting = 0
      }
      if (!chunk || chunk.rowCount === 0) break
    }
    await this.#noteSkipped()
    await this.#checkUnchanged()
  }

  async digest(): Promise<string> {
    const hash = createHash('sha256')
    for await (const bytes of createReadStream(this.#file.path)) hash.update(bytes as Uint8Array)
    return hash.digest('hex')
  }

  async release(): Promise<void> {
    this.#connection.closeSync()
  }

  async #readSchema(): Promise<TableSchema> {
    const options = this.#options
    const file = this.what
    this.#relation = await relationOf(this.#file, options)
    const described = await query(this.#connection, `DESCRIBE SELECT * FROM ${this.#relation}`)
    const types = described.map(({ column_name, column_type }) => [String(column_name), String(column_type)] as const)
    for (const name of [...Object.keys(options.columns ?? {}), ...(options.ignore ?? [])]) {
      if (types.some(([known]) => known === name)) continue
      const known = types.map(([column]) => column)
      throw new QuernError(
        'config',
        `data.columns names '${name}', which ${file} does not have. ${suggestion(name, known)}`,
      )
    }
    const wanted = types.filter(([name]) => !options.ignore?.includes(name))
    const isText = (type: string): boolean => type === 'VARCHAR' || type === 'JSON'
    const usable = wanted.filter(
      ([, type]) => isText(type) || type === 'BOOLEAN' || numberTypes.test(type) || dateTypes.test(type),
    )
    const unusable = wanted
      .filter((column) => !usable.includes(column))
      .map(([name, type]) => ({ name, reason: `values of the type ${type} are not read yet` }))
    this.#texts = new Set(usable.filter(([, type]) => isText(type)).map(([name]) => name))
    const found = new Map<string, ColumnInfo>()
    const texts = [...this.#texts]
    if (texts.length > 0) {
      const cells = texts.map((name) => `${this.#text(name)} AS ${sqlName(name)}`).join(', ')
      const relation = `(SELECT row_number() OVER () AS "row", ${cells} FROM ${this.#relation})`
      const hints = options.columns ?? {}
      for (const column of await inferKinds({ connection: this.#connection, relation, names: texts, hints, file })) {
        found.set(column.name, column)
      }
    }
    const typed = usable.filter(([name]) => !this.#texts.has(name))
    for (const column of await this.#typedColumns(typed)) found.set(column.name, column)
    const [count] = await query(this.#connection, `SELECT count(*) AS n FROM ${this.#relation}`)
    return { rows: Number(count!.n), columns: usable.map(([name]) => found.get(name)!), unusable }
  }

  /** Columns that the file itself types; a number may be meant as a name. */
  async #typedColumns(columns: readonly (readonly [string, string])[]): Promise<ColumnInfo[]> {
    if (columns.length === 0) return []
    const parts = columns.flatMap(([name], i) => {
      const c = sqlName(name)
      return [`count(DISTINCT ${c}) AS u${i}`, `count(*) - count(${c}) AS m${i}`]
    })
    const [row] = await query(this.#connection, `SELECT ${parts.join(', ')} FROM ${this.#relation}`)
    return columns.map(([name, type], i) => {
      const own = type === 'BOOLEAN' ? 'boolean' : dateTypes.test(type) ? 'date' : 'number'
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
    return missing === '' ? cell : `(CASE WHEN ${cell} NOT IN (${missing}) THEN ${cell} END)`
  }

  #expression({ name, kind, format }: ColumnInfo): string {
    const isText = this.#texts.has(name)
    const cell = isText ? this.#text(name) : sqlName(name)
    const as = ` AS ${sqlName(name)}`
    if (kind === 'number')
      return (isText ? asNumber(cell) : `(CASE WHEN isfinite(${cell}::DOUBLE) THEN ${cell}::DOUBLE END)`) + as
    if (kind === 'boolean') return (isText ? asBoolean(cell) : cell) + as
    if (kind === 'date') return `epoch_ms(${isText ? asDate(cell, format!) : `${cell}::TIMESTAMP`})::DOUBLE${as}`
    return (isText ? cell : `${cell}::VARCHAR`) + as
  }

  /** Rows that DuckDB left out in the last scan. */
  async #noteSkipped(): Promise<void> {
    const { format } = this.#file
    const options = this.#options
    const file = this.what
    if (format !== 'csv' || options.onBroken !== 'skip' || this.skipped.length > 0) return
    const rows = await query(
      this.#connection,
      'SELECT line, min(error_message) AS message FROM reject_errors GROUP BY line ORDER BY line',
    ).catch(() => [])
    this.skipped.push(...rows.map(({ line, message }) => ({ name: `${file} line ${line}`, reason: String(message) })))
  }

  async #checkUnchanged(): Promise<void> {
    const { path, name: file, size, changed } = this.#file
    const now = await stat(path)
    if (now.size === size && now.mtimeMs === changed) return
    throw new QuernError('input', `${file} was changed while it was read: ${size} bytes before, ${now.size} now`, {
      hint: 'Read it again when nobody writes to it, or copy it first.',
    })
  }

  async #asFileErrors<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body()
    } catch (error) {
      if (error instanceof QuernError) throw error
      throw fileError(messageOf(error), this.what, error)
    }
  }
}

interface Dictionary {
  readonly texts: string[]
  readonly places: Map<string, number>
}

function tableOf(
  chunks: readonly DuckDBDataChunk[],
  columns: readonly ColumnInfo[],
  dictionaries: readonly Dictionary[],
  rows: number,
  first: number,
): Table {
  const made = columns.map(({ name, kind }, i): [string, Column] => {
    const cells = chunks.flatMap((chunk) => chunk.getColumnValues(i))
    const valid = bitmap(rows, (row) => cells[row] !== null)
    if (kind === 'number' || kind === 'date') {
      return [name, { name, kind, valid, values: Float64Array.from(cells, (cell) => (cell as number | null) ?? 0) }]
    }
    if (kind === 'boolean') {
      return [name, { name, kind, valid, values: Uint8Array.from(cells, (cell) => (cell === true ? 1 : 0)) }]
    }
    const { texts, places } = dictionaries[i]!
    const values = Int32Array.from(cells, (cell) => {
      if (cell === null) return 0
      let place = places.get(cell as string)
      if (place === undefined) {
        place = texts.push(cell as string) - 1
        places.set(cell as string, place)
      }
      return place
    })
    return [name, { name, kind, valid, values, dictionary: texts }]
  })
  return { rows, first, columns: new Map(made) }
}
