/**
 * Rows that can be read once (an answer of a server, a cursor) on their way through a file: written as they come, never all in memory, and then
 * read as often as it takes to know the kinds of columns. All passes see the same rows, whatever happens to the server meanwhile.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { connectDuckDb, sqlName, sqlText } from './duckdb.ts'

export interface SpoolColumn {
  readonly name: string
  /** type of DuckDB that the texts are cast to; VARCHAR is looked at as a cell of CSV */
  readonly type: string
}

/** Rows as texts, NULL where there is no value; `columns` is asked when the first have come. */
export interface SpoolRows {
  readonly columns: readonly SpoolColumn[]
  readonly rows: readonly (readonly (string | null)[])[]
}

export interface Spool {
  /** SQL that reads the rows in the order in which they came */
  readonly relation: string
  readonly rows: number
  readonly bytes: number
  readonly digest: string
  release(): Promise<void>
}

/** Rows of a chunk of DuckDB's. */
const chunkRows = 2048

/** Writes batches of rows to a file of their own in the system's temporary folder. Undefined when there are none. */
export async function spoolRows(batches: AsyncIterable<SpoolRows>): Promise<Spool | undefined> {
  const { DuckDBDataChunk, VARCHAR } = await import('@duckdb/node-api')
  const connection = await connectDuckDb()
  const folder = await mkdtemp(join(tmpdir(), 'quern-rows-'))
  const catalog = basename(folder).replaceAll('-', '_')
  const release = async (): Promise<void> => {
    await connection.run(`DETACH DATABASE IF EXISTS ${sqlName(catalog)}`)
    connection.closeSync()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    let columns: readonly SpoolColumn[] | undefined
    let appender: Awaited<ReturnType<typeof connection.createAppender>> | undefined
    const hash = createHash('sha256')
    let [rows, bytes] = [0, 0]
    for await (const batch of batches) {
      if (!appender) {
        columns = batch.columns
        await connection.run(`ATTACH ${sqlText(join(folder, 'rows.duckdb'))} AS ${sqlName(catalog)}`)
        const cells = columns.map((_, i) => `c${i} VARCHAR`).join(', ')
        await connection.run(`CREATE TABLE ${sqlName(catalog)}.main.spool (${cells})`)
        appender = await connection.createAppender('spool', 'main', catalog)
      }
      for (let at = 0; at < batch.rows.length; at += chunkRows) {
        const some = batch.rows.slice(at, at + chunkRows)
        const chunk = DuckDBDataChunk.create(
          batch.columns.map(() => VARCHAR),
          some.length,
        )
        chunk.setRows(some)
        appender.appendDataChunk(chunk)
        const text = JSON.stringify(some)
        hash.update(text)
        bytes += text.length
      }
      rows += batch.rows.length
      appender.flushSync()
    }
    appender?.closeSync()
    if (!columns) {
      await release()
      return undefined
    }
    const cells = columns.map(({ name, type }, i) => `CAST(c${i} AS ${type}) AS ${sqlName(name)}`)
    const relation = `(SELECT ${cells.join(', ')} FROM ${sqlName(catalog)}.main.spool)`
    return { relation, rows, bytes, digest: hash.digest('hex'), release }
  } catch (error) {
    await release()
    throw error
  }
}
