/** A file with a table: which format it has, and the SQL that reads it as it is. */
import { open, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { QuernError } from '../../core/errors.ts'
import { missingPath } from '../missing-path.ts'
import { type CsvOptions, csvHead } from './csv-head.ts'
import { sqlText } from './duckdb.ts'

export interface FileOptions {
  /** folder that a relative path starts from; default: the working directory */
  readonly root?: string | undefined
  readonly csv?: CsvOptions | undefined
  /** a row that does not fit the header: stop (default), or leave it out and count it */
  readonly onBroken?: 'fail' | 'skip' | undefined
}

export interface TableFile {
  /** absolute */
  readonly path: string
  readonly name: string
  readonly format: 'csv' | 'json' | 'parquet'
  readonly size: number
  /** milliseconds since 1970 */
  readonly changed: number
}

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

/** Looks at the file without reading it. */
export async function locateTable(source: string, { root }: FileOptions): Promise<TableFile> {
  const path = resolve(root ?? '.', source)
  const name = basename(path)
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

/** SQL that reads the file; cells of CSV are texts. */
export async function relationOf({ path, name, format }: TableFile, options: FileOptions): Promise<string> {
  if (format !== 'csv') return `read_${format}(${sqlText(path)})`
  const { csv = {}, onBroken = 'fail' } = options
  const { encoding = 'utf-8' } = csv
  const given = name.toLowerCase().includes('.tsv') ? { delimiter: '\t', ...csv } : csv
  const head = csvHead(await beginning(path, encoding), name, given)
  const columns = head.names.map((column) => `${sqlText(column)}: 'VARCHAR'`).join(', ')
  const settings = [
    sqlText(path),
    'auto_detect=false',
    `columns={${columns}}`,
    `delim=${sqlText(head.delimiter)}`,
    `quote='"'`,
    `escape='"'`,
    `header=${csv.names ? 'false' : 'true'}`,
    `encoding=${sqlText(encoding)}`,
    ...(onBroken === 'skip' ? ['ignore_errors=true', 'store_rejects=true', 'rejects_limit=100000'] : []),
  ]
  return `read_csv(${settings.join(', ')})`
}

/** The first characters of a file. */
async function beginning(path: string, encoding: string): Promise<string> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(1 << 18), 0, 1 << 18, 0)
    let bytes = buffer.subarray(0, bytesRead)
    if (path.endsWith('.gz')) {
      const { gunzipSync, constants } = await import('node:zlib')
      bytes = gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, 1 << 18) as Uint8Array<ArrayBuffer>
    }
    return new TextDecoder(encoding === 'latin-1' ? 'latin1' : encoding === 'utf-16' ? 'utf-16le' : 'utf-8').decode(
      bytes,
    )
  } finally {
    await file.close()
  }
}
