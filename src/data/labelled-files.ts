/**
 * Files of a folder with what is said of them: a label from the folders' names, a pattern over the files' names, or a table beside them.
 * Every file is either labelled, or named with the reason why it is not.
 */
import { QuernError, suggestion } from '../core/errors.ts'
import type { FileListing } from './list-pictures.ts'
import { type Skipped, type SplitName, splitFolders } from './source.ts'

/** Where the label of a file comes from. */
export type LabelRule =
  /** the name of its folder, below those of splits if there are such */
  | 'folder'
  /** a regular expression over the path below the folder; its named groups are columns, `label` and `split` among them */
  | { readonly pattern: string }
  /** a table beside the files: `file` holds their paths, `label` is the column of the label */
  | { readonly table: string; readonly file: string; readonly label: string }

/** What a table beside the files says: values by column, by the path that stands in it. */
export type FileTable = ReadonlyMap<string, Readonly<Record<string, string | undefined>>>

export interface Labelled<Listed> {
  readonly file: Listed
  readonly split: SplitName | undefined
  /** values by column; `label` is one */
  readonly values: Readonly<Record<string, string | undefined>>
}

export interface LabelledFiles<Listed> {
  readonly files: readonly Labelled<Listed>[]
  readonly ignored: readonly Skipped[]
  /** splits by folder, where the folders are named for them */
  readonly splits: ReadonlyMap<string, SplitName> | undefined
}

export interface LabelOptions {
  readonly rule: LabelRule
  /** of a rule that names one, read already */
  readonly table?: FileTable | undefined
  /** the folder, in messages */
  readonly root: string
  /** what the files are: 'pictures' */
  readonly what: string
}

/** Splits that the folders give: when one is called train and all others have names of splits too. */
export function givenSplits(folders: readonly string[]): ReadonlyMap<string, SplitName> | undefined {
  const splits = new Map(folders.map((folder) => [folder, splitFolders[folder.toLowerCase()]]))
  const names = [...splits.values()]
  if (!names.includes('train') || names.includes(undefined)) return undefined
  if (new Set(names).size < names.length) {
    throw new QuernError('input', `two folders give the same split: ${folders.join(', ')}`)
  }
  return splits as Map<string, SplitName>
}

/** The files that have a label. Throws when none has. */
export function labelFiles<Listed extends { readonly name: string }>(
  listing: FileListing<Listed>,
  options: LabelOptions,
): LabelledFiles<Listed> {
  const { rule } = options
  const splits = givenSplits(listing.folders)
  const ignored: Skipped[] = [...listing.ignored]
  const valuesOf = reader(rule, splits, options)
  const files = listing.files.flatMap((file): Labelled<Listed>[] => {
    const values = valuesOf(file.name)
    if (typeof values === 'string') {
      ignored.push({ name: file.name, reason: values })
      return []
    }
    return [
      { file, split: splits?.get(file.name.split('/')[0]!) ?? splitFolders[values.split?.toLowerCase() ?? ''], values },
    ]
  })
  if (files.length === 0) throw noneLabelled(listing, ignored, options)
  return { files, ignored: [...ignored, ...absentFiles(ignored, files, options)], splits }
}

/** What the table beside the files names and the folder does not hold. */
function absentFiles(
  ignored: readonly Skipped[],
  files: readonly Labelled<{ readonly name: string }>[],
  { rule, table, what }: LabelOptions,
): Skipped[] {
  if (!table || typeof rule === 'string' || 'pattern' in rule) return []
  const seen = new Set([...files.map(({ file }) => file.name), ...ignored.map(({ name }) => name)])
  const absent = [...table.keys()].filter((name) => !seen.has(name))
  return absent.map((name) => ({ name, reason: `${rule.table} names it, but it is not among the ${what}` }))
}

/** What is to be said of the files that have no label, and of labels that have no file; nothing where all fit. */
export function unlabelledWarnings(
  listing: FileListing<{ readonly name: string }>,
  ignored: readonly Skipped[],
  what: string,
): string[] {
  const names = new Set([...listing.files, ...listing.ignored].map(({ name }) => name))
  const own = new Set(listing.files.map(({ name }) => name))
  const said = (some: readonly Skipped[], text: string): string[] =>
    some.length === 0 ? [] : [`${some.length} ${text}; the first is ${some[0]!.name} (${some[0]!.reason})`]
  return [
    ...said(
      ignored.filter(({ name }) => own.has(name)),
      `of ${listing.files.length} ${what} have no label and are left out`,
    ),
    ...said(
      ignored.filter(({ name }) => !names.has(name)),
      `labels are of ${what} that are not there`,
    ),
  ]
}

type Values = Readonly<Record<string, string | undefined>>

/** From a path to its values, or to the reason why there are none. */
function reader(
  rule: LabelRule,
  splits: ReadonlyMap<string, SplitName> | undefined,
  { table }: LabelOptions,
): (name: string) => Values | string {
  if (rule === 'folder') {
    return (name) => {
      const folders = name.split('/').slice(0, -1)
      const label = folders[splits ? 1 : 0]
      return label === undefined ? 'not in a folder of a class' : { label }
    }
  }
  if ('pattern' in rule) {
    const pattern = patternFrom(rule.pattern)
    return (name) => {
      const found = pattern.exec(name)
      return found ? { ...found.groups } : 'its name does not match the pattern'
    }
  }
  return (name) => {
    const row = table?.get(name)
    if (!row) return `not in ${rule.table}`
    const label = row[rule.label]
    return label === undefined ? `no '${rule.label}' in ${rule.table}` : { ...row, label }
  }
}

function patternFrom(text: string): RegExp {
  let pattern: RegExp
  try {
    pattern = new RegExp(text, 'u')
  } catch (cause) {
    throw new QuernError('config', `data: the pattern ${JSON.stringify(text)} is no regular expression`, { cause })
  }
  if (/\(\?<[^=!]/.test(text)) return pattern
  throw new QuernError('config', `data: the pattern ${JSON.stringify(text)} names no group`, {
    hint: "Name what it finds: '(?<patient>\\d+)_(?<label>[a-z]+)\\.png'.",
  })
}

function noneLabelled(
  { files }: FileListing<{ readonly name: string }>,
  ignored: readonly Skipped[],
  { root, what, rule }: LabelOptions,
): QuernError {
  const found = files.length
  if (found === 0) {
    const others = ignored.length === 0 ? 'it is empty' : `${ignored.length} other files or links`
    return new QuernError('input', `${root} holds no ${what} (${others})`, {
      hint: rule === 'folder' ? folderHint : undefined,
    })
  }
  if (rule === 'folder') {
    return new QuernError('input', `${root} holds ${found} ${what}, but none in a folder of a class`, {
      hint: folderHint,
    })
  }
  const { name, reason } = ignored.find((each) => each.name === files[0]!.name)!
  return new QuernError('input', `${root} holds ${found} ${what}, but none has a label: ${name}: ${reason}`)
}

const folderHint = 'Expected one folder for each class, such as cat/1.png and dog/2.jpg.'

/** A table beside the files, by path. Throws for a column that is not there, and for a file that is named twice. */
export function fileTable(
  rows: readonly { readonly name: string; readonly row: Readonly<Record<string, unknown>> }[],
  { table, file, label }: Extract<LabelRule, { table: string }>,
): FileTable {
  const found = new Map<string, { at: string; values: Record<string, string | undefined> }>()
  for (const { name, row } of rows) {
    for (const column of [file, label]) {
      if (Object.hasOwn(row, column)) continue
      throw new QuernError('config', `${table} has no column '${column}'. ${suggestion(column, Object.keys(row))}`)
    }
    const values = Object.fromEntries(
      Object.entries(row).map(([column, value]) => [
        column,
        value === null || value === '' ? undefined : String(value),
      ]),
    )
    const path = values[file]?.replaceAll('\\', '/').replace(/^\.\//, '')
    if (path === undefined) continue
    const other = found.get(path)
    if (other && other.values[label] !== values[label]) {
      throw new QuernError(
        'input',
        `${name}: ${path} is '${values[label]}', in ${other.at} it is '${other.values[label]}'`,
      )
    }
    found.set(path, { at: name, values })
  }
  return new Map([...found].map(([path, { values }]) => [path, values]))
}
