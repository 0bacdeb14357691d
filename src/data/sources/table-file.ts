/** Files with tables: which format each has, and the SQL that reads one or several of one kind as they are. */
import { open, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { QuernError } from '../../core/errors.ts'
import { missingPath } from '../missing-path.ts'
import { csvHead } from './csv-head.ts'
import { sqlText } from './duckdb.ts'
import { refuseLongLines } from './long-lines.ts'
import type { OriginOptions } from './table-origin.ts'
import type { ReaderTypes } from './typed-columns.ts'

export interface TableFile {
  /** absolute */
  readonly path: string
  readonly name: string
  readonly format: 'csv' | 'json' | 'parquet'
  readonly size: number
  /** milliseconds since 1970 */
  readonly changed: number
}

/** Lines that may be left out of the files; beyond them DuckDB does not count. */
export const mostRejects = 100_000

const endings: Readonly<Record<string, 'csv' | 'json' | 'parquet'>> = {
  csv: 'csv',
  tsv: 'csv',
  txt: 'csv',
  json: 'json',
  jsonl: 'json',
  ndjson: 'json',
  parquet: 'parquet',
}

/** Format of a file by its ending; undefined when that is none of a table. */
export function tableFormat(name: string): TableFile['format'] | undefined {
  return endings[/\.([^.]+?)(\.gz)?$/.exec(name.toLowerCase())?.[1] ?? '']
}

/** Looks at a file without reading it; `name` is what messages call it. */
export async function locateTable(path: string, name: string = basename(path)): Promise<TableFile> {
  const info = await stat(path).catch(async (error: unknown) => {
    throw await missingPath(path, 'table', error)
  })
  if (info.isDirectory()) throw new QuernError('input', `expected a file with a table, received the folder ${path}`)
  const format = tableFormat(name)
  if (!format) {
    throw new QuernError('input', `${name}: the ending does not say what kind of table it is`, {
      hint: `Known: ${Object.keys(endings)
        .map((ending) => `.${ending}`)
        .join(', ')}.`,
    })
  }
  if (info.size === 0) throw new QuernError('input', `${name} is empty`)
  return { path, name, format, size: info.size, changed: info.mtimeMs }
}

/** SQL that reads files of one format with the same columns, one after the other; cells of CSV are texts but for those that are to be typed. */
export async function relationOf(
  files: readonly TableFile[],
  options: OriginOptions,
  types?: ReaderTypes,
): Promise<string> {
  const [{ format }] = files as [TableFile]
  const paths = `[${files.map(({ path }) => sqlText(path)).join(', ')}]`
  if (format === 'parquet') return `read_parquet(${paths})`
  for (const { path, name } of files) if (/\.(csv|tsv|txt|jsonl|ndjson)$/i.test(name)) await refuseLongLines(path, name)
  if (format === 'json') return `read_json(${paths})`
  const { csv = {}, onBroken = 'fail' } = options
  const { encoding = 'utf-8' } = csv
  const heads = []
  for (const file of files) {
    const given = file.name.toLowerCase().includes('.tsv') ? { delimiter: '\t', ...csv } : csv
    heads.push(csvHead(await beginning(file, encoding), file.name, given))
  }
  const [head] = heads as [(typeof heads)[number]]
  for (const [i, other] of heads.entries()) refuseOtherHead(files[0]!.name, head, files[i]!.name, other)
  const typeOf = (name: string): string =>
    types?.numbers.includes(name) ? 'DOUBLE' : types?.dates.includes(name) ? 'TIMESTAMP' : 'VARCHAR'
  const columns = head.names.map((name) => `${sqlText(name)}: '${typeOf(name)}'`).join(', ')
  const settings = [
    paths,
    'auto_detect=false',
    `columns={${columns}}`,
    `delim=${sqlText(head.delimiter)}`,
    `quote='"'`,
    `escape='"'`,
    `header=${csv.names ? 'false' : 'true'}`,
    `encoding=${sqlText(encoding)}`,
    // The reader takes an empty cell for none in any case, until it is told of other texts.
    ...(types ? [`nullstr=[${['', ...types.missing.filter((text) => text !== '')].map(sqlText).join(', ')}]`] : []),
    ...(types?.format === undefined ? [] : [`timestampformat=${sqlText(types.format)}`]),
    ...(onBroken === 'skip' ? ['ignore_errors=true', 'store_rejects=true', `rejects_limit=${mostRejects}`] : []),
  ]
  return `read_csv(${settings.join(', ')})`
}

type Head = ReturnType<typeof csvHead>

/** Files that are read as one table must be written alike. */
function refuseOtherHead(firstName: string, first: Head, name: string, head: Head): void {
  const at = first.names.findIndex((column, i) => column !== head.names[i])
  if (at < 0 && head.names.length === first.names.length && head.delimiter === first.delimiter) return
  const column = at < 0 ? first.names.length : at
  const show = (text: string | undefined): string => (text === undefined ? 'none' : `'${text}'`)
  throw new QuernError(
    'input',
    at < 0 && head.names.length === first.names.length
      ? `${name} has ${JSON.stringify(head.delimiter)} between its cells, ${firstName} has ${JSON.stringify(first.delimiter)}`
      : `${name}: column ${column + 1} is ${show(head.names[column])}, in ${firstName} it is ${show(first.names[column])}`,
    { hint: 'Files that are read as one table need the same columns in the same order.' },
  )
}

/** The first characters of a file. */
async function beginning({ path, name }: TableFile, encoding: string): Promise<string> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(1 << 18), 0, 1 << 18, 0)
    let bytes = buffer.subarray(0, bytesRead)
    if (path.endsWith('.gz')) {
      const { gunzipSync, constants } = await import('node:zlib')
      bytes = gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, 1 << 18) as Uint8Array<ArrayBuffer>
    }
    if (encoding === 'utf-8' && (bytes[0] === 0xff || bytes[0] === 0xfe)) {
      throw new QuernError('input', `${name} begins with the mark of UTF-16`, {
        hint: "Set data.csv.encoding to 'utf-16'.",
      })
    }
    return new TextDecoder(encoding === 'latin-1' ? 'latin1' : encoding === 'utf-16' ? 'utf-16le' : 'utf-8').decode(
      bytes,
    )
  } finally {
    await file.close()
  }
}
