/** A table by its address: a file, several, a folder, a database, an object. Each kind of address is a record in the table below. */
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { QuernError, suggestion } from '../../core/errors.ts'
import { missingPath } from '../missing-path.ts'
import type { TableSource } from '../table/table-source.ts'
import { arraysOrigin, holdsArrays } from './arrays-origin.ts'
import { type ColumnOptions, openOrigin } from './duckdb-table.ts'
import { filesOrigin } from './files-origin.ts'
import { isPattern, listMatching } from './glob.ts'
import { locateTable, tableFormat } from './table-file.ts'
import type { OriginOptions, TableOrigin } from './table-origin.ts'

export type TableOptions = OriginOptions & ColumnOptions

/** A path, a pattern of paths, an address, or several paths that are read as one table. */
export type TableAddress = string | readonly string[]

/** Opens a table. Files are looked at, and not read until `schema` or `read`. */
export async function openTable(source: TableAddress, options: TableOptions = {}): Promise<TableSource> {
  return openOrigin(await originOf(source, options), options)
}

/** Addresses that are no paths, by how they begin. */
const schemes: Readonly<Record<string, (address: string, options: OriginOptions) => Promise<TableOrigin>>> = {
  sqlite: async (address, options) => (await import('./sqlite-origin.ts')).sqliteOrigin(address, options),
  postgres: async (address, options) => (await import('./postgres-origin.ts')).postgresOrigin(address, options),
  s3: objectsOrigin,
  postgresql: async (address, options) => (await import('./postgres-origin.ts')).postgresOrigin(address, options),
}

/** How an address begins; undefined for paths, `C:\\` among them. */
export function schemeOf(address: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):/i.exec(address)?.[1]?.toLowerCase()
}

/** Where a table comes from, by its address. */
export async function originOf(source: TableAddress, options: OriginOptions): Promise<TableOrigin> {
  const addresses = typeof source === 'string' ? [source] : source
  for (const address of addresses) {
    const scheme = schemeOf(address)
    if (scheme === undefined) continue
    const open = schemes[scheme]
    if (!open) {
      throw new QuernError(
        'config',
        `data.source: nothing reads '${scheme}:' addresses. ${suggestion(scheme, Object.keys(schemes))}`,
      )
    }
    if (addresses.length > 1) throw new QuernError('config', `data.source: ${scheme}: cannot be one of several sources`)
    return open(address, options)
  }
  if (options.table !== undefined || options.query !== undefined) {
    throw new QuernError('config', 'data.table and data.query are for databases; data.source names files')
  }
  return localOrigin(addresses, options)
}

async function localOrigin(addresses: readonly string[], options: OriginOptions): Promise<TableOrigin> {
  const root = resolve(options.root ?? '.')
  const paths: string[] = []
  for (const address of addresses) {
    if (isPattern(address)) paths.push(...(await matching(address, root)))
    else paths.push(resolve(root, address))
  }
  const [only] = paths
  if (only !== undefined && paths.length === 1 && holdsArrays(only)) return arraysOrigin(only)
  if (only !== undefined && paths.length === 1) {
    const isFolder = await stat(only).then(
      (info) => info.isDirectory(),
      () => false,
    )
    if (isFolder) return (await import('./folder-origin.ts')).folderOrigin(only, options)
  }
  const files = []
  for (const path of paths) files.push(await locateTable(path))
  const [first] = files
  if (!first) throw new QuernError('config', 'data.source names no file')
  const what = files.length === 1 ? first.name : `${files.length} files (${first.name} to ${files.at(-1)!.name})`
  return filesOrigin(files, what, options)
}

/** Objects are files of the cache; those of a prefix are a folder, unless they are tables. */
async function objectsOrigin(address: string, options: OriginOptions): Promise<TableOrigin> {
  const { folder, paths } = await (await import('./s3.ts')).mirrorObjects(address, options)
  const isTable = paths.every((path) => tableFormat(path) !== undefined || holdsArrays(path))
  if (!address.endsWith('/') || isTable) return localOrigin(paths, { ...options, root: folder })
  const below = address.replace(/^s3:\/\/[^/]+\//, '')
  return localOrigin([join(folder, below)], { ...options, root: folder })
}

async function matching(pattern: string, root: string): Promise<string[]> {
  const found = await listMatching(pattern, root).catch(async (error: unknown) => {
    throw await missingPath(resolve(root, pattern), 'files', error)
  })
  if (found.length > 0) return found
  throw new QuernError('missing', `no file matches ${pattern}`, { hint: `Looked below ${root}.` })
}
