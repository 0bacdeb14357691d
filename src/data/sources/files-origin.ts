/** One file or several of one kind as the origin of a table. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { QuernError } from '../../core/errors.ts'
import { type RowNames, rowName, type SkippedRow } from '../table/table-source.ts'
import { type DuckDBConnection, query } from './duckdb.ts'
import { lineEndsError, mayBeLineEnds, otherLineEnd } from './line-ends.ts'
import { fileError } from './read-error.ts'
import { mostRejects, relationOf, type TableFile } from './table-file.ts'
import type { OriginOptions, TableOrigin } from './table-origin.ts'
import { refuseCut } from './whole-files.ts'

/** From this size on different values are estimated before they are counted. */
const largeBytes = 4e6

/** Files are read one after the other, in the order given. */
export function filesOrigin(files: readonly TableFile[], what: string, options: OriginOptions): TableOrigin {
  const [first] = files as [TableFile]
  const other = files.find(({ format }) => format !== first.format)
  if (other) {
    throw new QuernError('input', `${what} are files of two formats: ${first.name} and ${other.name}`, {
      hint: 'Files that are read as one table need one format.',
    })
  }
  /** rows before each file, where there are several */
  let before: readonly number[] = [0]
  const rowNames = (): RowNames => ({ parts: before.map((count, i) => ({ what: files[i]!.name, first: count })) })
  return {
    what,
    folder: dirname(first.path),
    isLarge: files.reduce((sum, { size }) => sum + size, 0) > largeBytes,
    async relation(connection) {
      for (const file of files) await refuseCut(file)
      if (files.length > 1) before = await rowsBefore(connection, files, options)
      return relationOf(files, options)
    },
    // A row whose cell is not of its type must not be among those that are left out.
    typedRelation: async (types) =>
      first.format === 'csv' && options.onBroken !== 'skip' ? relationOf(files, options, types) : undefined,
    nameOfRow: (row) => rowName(rowNames(), row),
    rowNames,
    skipped: async (connection) => (options.onBroken === 'skip' ? rejected(connection, files) : []),
    verify: async () => {
      for (const file of files) await refuseChanged(file)
    },
    async digest() {
      const hash = createHash('sha256')
      for (const { path } of files) {
        for await (const bytes of createReadStream(path)) hash.update(bytes as Uint8Array)
      }
      return hash.digest('hex')
    },
    asError(message, cause) {
      // DuckDB names the file by its path.
      const named = files.length === 1 ? first : files.find(({ path }) => message.includes(path))
      const other = named && mayBeLineEnds(message) ? otherLineEnd(named.path) : undefined
      if (other) return lineEndsError(named!.name, other, cause)
      return fileError(message, named?.name ?? what, cause)
    },
    release: async () => undefined,
  }
}

async function rowsBefore(connection: DuckDBConnection, files: readonly TableFile[], options: OriginOptions) {
  const before: number[] = []
  let sum = 0
  for (const file of files) {
    before.push(sum)
    const relation = await relationOf([file], options)
    const [row] = await query(connection, `SELECT count(*) AS n FROM ${relation}`).catch((error: unknown) => {
      throw fileError(String(error), file.name, error)
    })
    sum += Number(row!.n)
  }
  return before
}

/** Rows that DuckDB left out in the last scan. Throws where it left out more than it counts. */
async function rejected(connection: DuckDBConnection, files: readonly TableFile[]): Promise<SkippedRow[]> {
  const rows = await query(
    connection,
    `SELECT s.file_path AS path, e.line AS line, min(e.error_message) AS message
     FROM reject_errors e JOIN reject_scans s ON e.scan_id = s.scan_id AND e.file_id = s.file_id
     WHERE e.scan_id = (SELECT max(scan_id) FROM reject_scans)
     GROUP BY path, line ORDER BY path, line`,
  ).catch(() => [])
  const names = new Map(files.map(({ path, name }) => [path, name]))
  const skipped = rows.map(({ path, line, message }) => {
    const name = `${names.get(String(path)) ?? path}`
    if (/unterminated quote/i.test(String(message))) throw endlessQuote(name, Number(line))
    return { name: `${name} line ${line}`, reason: String(message) }
  })
  if (skipped.length < mostRejects) return skipped
  throw new QuernError('input', `${mostRejects} lines or more do not fit, the first is ${skipped[0]!.name}`, {
    hint: 'So many are no exceptions: look at data.csv, or mend the file.',
  })
}

/** All that follows belongs to the one text: what is left out is the rest of the file, however many rows that are. */
function endlessQuote(name: string, line: number): QuernError {
  return new QuernError(
    'input',
    `${name} line ${line}: a quote is opened and never closed, which hides the rest of the file`,
    {
      hint: "Close it, or double the quotes that are a part of a text: it cannot be left out by data.onBroken: 'skip'.",
    },
  )
}

async function refuseChanged({ path, name, size, changed }: TableFile): Promise<void> {
  const now = await stat(path).catch(() => undefined)
  if (now && now.size === size && now.mtimeMs === changed) return
  throw new QuernError(
    'input',
    now
      ? `${name} was changed while it was read: ${size} bytes before, ${now.size} now`
      : `${name} was removed while it was read`,
    { hint: 'Read it again when nobody writes to it, or copy it first.' },
  )
}
