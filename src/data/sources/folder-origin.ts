/**
 * A folder of pictures, recordings or texts as the origin of a table: a reference (or the text itself), and what the folders' names or a pattern
 * over the files' names say.
 */
import { readFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { QuernError } from '../../core/errors.ts'
import { type Labelled, type LabelRule, labelFiles } from '../labelled-files.ts'
import { type FileListing, type ListedFile, listFiles, pictureEndings } from '../list-pictures.ts'
import type { ColumnKind } from '../table/table.ts'
import type { SpoolRows } from './spool.ts'
import { spooledOrigin } from './spooled-origin.ts'
import type { OriginOptions, TableOrigin } from './table-origin.ts'

const batchRows = 1024

/** What a folder may hold: the kind of the column, and the endings. */
const media: Readonly<
  Record<'image' | 'audio' | 'text', { readonly endings: ReadonlySet<string>; readonly what: string }>
> = {
  image: { endings: pictureEndings, what: 'pictures' },
  audio: { endings: new Set(['.wav', '.flac', '.mp3', '.ogg', '.opus', '.m4a']), what: 'recordings' },
  text: { endings: new Set(['.txt', '.md']), what: 'texts' },
}
type Medium = keyof typeof media

/** Whether a file of the ending is an example of a folder. */
const endings = new Set(Object.values(media).flatMap(({ endings }) => [...endings]))

/** Lists the folder. Throws when it holds examples of two media, or none that is labelled. */
export async function folderOrigin(folder: string, options: OriginOptions): Promise<TableOrigin> {
  const rule: LabelRule = options.pattern === undefined ? 'folder' : { pattern: options.pattern }
  const listing = await listFiles(folder, { endings, what: 'a picture, a recording or a text' })
  const medium = mediumOf(listing, folder)
  const { files, ignored } = labelFiles(listing, { rule, root: folder, what: media[medium].what })
  const unlabelled = ignored.filter(({ name }) => listing.files.some((file) => file.name === name))
  const [first] = unlabelled
  if (first && options.onBroken !== 'skip') {
    throw new QuernError(
      'input',
      `${unlabelled.length} of ${listing.files.length} files of ${folder} have no label; the first is ${first.name}: ${first.reason}`,
      {
        hint: "Name or move them, or leave them out with data.onBroken: 'skip'.",
      },
    )
  }
  const names = files.map(({ file }) => file.name)
  const origin = spooledOrigin({ what: basename(folder), folder, batches: () => rowsOf(files, medium) })
  return {
    ...origin,
    kinds: { [medium]: medium as ColumnKind },
    nameOfRow: (row) => names[row] ?? `row ${row + 1}`,
    rowNames: () => ({ names }),
    skipped: async () => unlabelled,
  }
}

function mediumOf({ files }: FileListing<ListedFile>, folder: string): Medium {
  const found = (Object.keys(media) as Medium[]).flatMap((medium) => {
    const file = files.find(({ name }) => media[medium].endings.has(extname(name).toLowerCase()))
    return file ? [{ medium, name: file.name }] : []
  })
  const [one, other] = found
  if (!one) throw new QuernError('input', `${folder} holds no pictures, recordings or texts`)
  if (!other) return one.medium
  throw new QuernError(
    'input',
    `${folder} holds ${media[one.medium].what} and ${media[other.medium].what}: ${one.name} and ${other.name}`,
    {
      hint: 'Keep them in folders of their own; or write a table whose columns name the files of each row.',
    },
  )
}

async function* rowsOf(files: readonly Labelled<ListedFile>[], medium: Medium): AsyncGenerator<SpoolRows> {
  const hasSplits = files.some(({ split }) => split !== undefined)
  const named = [...new Set(files.flatMap(({ values }) => Object.keys(values)))].filter((name) => name !== 'split')
  const clash = named.find((name) => name === medium)
  if (clash !== undefined)
    throw new QuernError('config', `data.pattern: the group '${clash}' has the name of the column of the files`)
  const columns = [medium, ...named, ...(hasSplits ? ['split'] : [])].map((name) => ({ name, type: 'VARCHAR' }))
  for (let first = 0; first < files.length; first += batchRows) {
    const rows = await Promise.all(
      files
        .slice(first, first + batchRows)
        .map(async ({ file, values, split }) => [
          medium === 'text' ? await readFile(file.path, 'utf8') : file.path,
          ...named.map((name) => values[name] ?? null),
          ...(hasSplits ? [split ?? null] : []),
        ]),
    )
    yield { columns, rows }
  }
}
