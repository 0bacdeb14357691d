/**
 * How the rows of a table are divided: a record a way, all with one signature, rows -> splits. What a way needs of a row it reads by
 * `key`: the text of a column's cell.
 */
import { QuernError } from '../core/errors.ts'
import { hashName, type Random } from '../core/random.ts'
import { tensor } from '../core/tensor.ts'
import { createDataset } from './dataset.ts'
import { type SplitName, splitFolders, splitNames } from './source.ts'
import { splitByShare } from './split.ts'

/** Shares of the rows; training takes the rest. */
interface Shares {
  readonly validation: number
  readonly test: number
}

export type TableSplit =
  /** at random; with classes, each class alike */
  | ({ readonly by: 'fraction'; readonly stratified: boolean } & Shares)
  /** rows that share a value of `column` (a patient, a customer) stay together */
  | ({ readonly by: 'group'; readonly column: string } & Shares)
  /** in the order of `column`: the latest rows are the test */
  | ({ readonly by: 'time'; readonly column: string } & Shares)
  /** by a hash of `column`: a row stays in its split when others are added */
  | ({ readonly by: 'hash'; readonly column: string } & Shares)
  /** `column` says it: train, validation or test */
  | { readonly by: 'column'; readonly column: string }
  /** part `fold` (from 0) of `folds` is the test; `repeat` draws the parts anew */
  | {
      readonly by: 'k-fold'
      readonly folds: number
      readonly fold: number
      readonly repeat: number
      readonly stratified: boolean
      readonly validation: number
    }

export interface SplitRows {
  readonly count: number
  /** class of each row, for what is stratified; undefined where the target is no class */
  readonly classes: Int32Array | undefined
  readonly labels: readonly string[]
  /** text of the cell of a column; undefined when it is missing */
  key(column: string, row: number): string | undefined
  /** number (of a date: its milliseconds) of the cell of a column, which must hold such */
  number(column: string, row: number): number | undefined
  nameOf(row: number): string
}

/** Rows of each split, ascending. */
export type Assignment = Readonly<Partial<Record<SplitName, Int32Array>>>

/** Divides the rows. Every row is in one split; an empty split that was asked for is an error. */
export function splitTable(rows: SplitRows, split: TableSplit, random: Random): Assignment {
  switch (split.by) {
    case 'fraction':
      return byShare(rows, allOf(rows), split, split.stratified, random)
    case 'group':
      return byGroup(rows, split, random)
    case 'time':
      return byTime(rows, split)
    case 'hash':
      return byHash(rows, split)
    case 'column':
      return byColumn(rows, split.column)
    case 'k-fold':
      return byFold(rows, split, random)
  }
}

const allOf = ({ count }: SplitRows): Int32Array => Int32Array.from({ length: count }, (_, i) => i)

function byShare(rows: SplitRows, of: Int32Array, { validation, test }: Shares, stratified: boolean, random: Random) {
  const { classes, labels } = rows
  const picked = Int32Array.from(of, (row) => classes?.[row] ?? 0)
  const dataset = createDataset({
    columns: { label: tensor('int32', [of.length], picked) },
    labels,
    names: (i) => rows.nameOf(of[i]!),
  })
  const config = { validation, test, ...(stratified && classes ? { stratify: 'label' } : {}) }
  const splits = splitByShare(dataset, config, random)
  return Object.fromEntries(Object.entries(splits).map(([name, part]) => [name, part.rows.map((i) => of[i]!)]))
}

function collected(rows: SplitRows, splitOf: (row: number) => SplitName): Assignment {
  const parts: Partial<Record<SplitName, number[]>> = {}
  for (let row = 0; row < rows.count; row++) {
    const name = splitOf(row)
    const part = parts[name] ?? []
    part.push(row)
    parts[name] = part
  }
  return Object.fromEntries(splitNames.flatMap((name) => (parts[name] ? [[name, Int32Array.from(parts[name])]] : [])))
}

/** An error unless every split that has a share has a row. */
function whole(splits: Assignment, { validation, test }: Shares, why: string): Assignment {
  const asked = { train: 1, validation, test }
  for (const name of splitNames) {
    if (asked[name] === 0 || splits[name]) continue
    throw new QuernError('input', `split '${name}' is empty: ${why}`, {
      hint: 'Add rows, or change data.split.',
    })
  }
  return splits
}

/** Groups in random order, each into the split that lacks the most rows of its share. */
function byGroup(rows: SplitRows, split: { column: string } & Shares, random: Random): Assignment {
  const groups = new Map<string, number[]>()
  for (let row = 0; row < rows.count; row++) {
    // A row without a group is one of its own.
    const key = rows.key(split.column, row) ?? `\0${row}`
    const group = groups.get(key)
    if (group) group.push(row)
    else groups.set(key, [row])
  }
  const shares = { train: 1 - split.validation - split.test, validation: split.validation, test: split.test }
  const names = splitNames.filter((name) => shares[name] > 0)
  const counts = new Map(names.map((name) => [name, 0]))
  const owner = new Map<number, SplitName>()
  const order = random.fork('groups').shuffle([...groups.keys()].sort())
  // Large groups first, so that the small ones can even out; equals in random order.
  for (const key of order.toSorted((a, b) => groups.get(b)!.length - groups.get(a)!.length)) {
    const group = groups.get(key)!
    const lacks = (name: SplitName): number => 1 - counts.get(name)! / (shares[name] * rows.count)
    const target = names.reduce((a, b) => (lacks(b) > lacks(a) ? b : a))
    counts.set(target, counts.get(target)! + group.length)
    for (const row of group) owner.set(row, target)
  }
  const splits = collected(rows, (row) => owner.get(row)!)
  return whole(splits, split, `column '${split.column}' has ${groups.size} groups`)
}

function byTime(rows: SplitRows, split: { column: string } & Shares): Assignment {
  const times = Float64Array.from({ length: rows.count }, (_, row) => {
    const time = rows.number(split.column, row)
    if (time !== undefined) return time
    throw new QuernError(
      'input',
      `${rows.nameOf(row)}: column '${split.column}', which the split goes by, has no value`,
    )
  })
  const order = allOf(rows).sort((a, b) => times[a]! - times[b]! || a - b)
  // A boundary does not divide rows of one time: they go to the later split.
  const boundary = (share: number): number => {
    let at = Math.round((1 - share) * rows.count)
    while (at > 0 && at < rows.count && times[order[at]!] === times[order[at - 1]!]) at--
    return at
  }
  const [validation, test] = [boundary(split.validation + split.test), boundary(split.test)]
  const place = new Int32Array(rows.count)
  for (const [i, row] of order.entries()) place[row] = i
  const splits = collected(rows, (row) => {
    const i = place[row]!
    return i < validation ? 'train' : i < test ? 'validation' : 'test'
  })
  return whole(splits, split, `column '${split.column}' has too few different times`)
}

function byHash(rows: SplitRows, split: { column: string } & Shares): Assignment {
  const splits = collected(rows, (row) => {
    const share = hashName(`quern/${rows.key(split.column, row) ?? `\0${row}`}`) / 2 ** 32
    return share < split.test ? 'test' : share < split.test + split.validation ? 'validation' : 'train'
  })
  return whole(splits, split, `no value of column '${split.column}' falls into it`)
}

function byColumn(rows: SplitRows, column: string): Assignment {
  const splits = collected(rows, (row) => {
    const text = rows.key(column, row)
    const name = splitFolders[text?.toLowerCase() ?? '']
    if (name) return name
    throw new QuernError(
      'input',
      `${rows.nameOf(row)}: column '${column}' must say train, validation or test, it says ${text === undefined ? 'nothing' : JSON.stringify(text)}`,
    )
  })
  return whole(splits, { validation: 0, test: 0 }, `no row of column '${column}' says train`)
}

function byFold(rows: SplitRows, split: Extract<TableSplit, { by: 'k-fold' }>, random: Random): Assignment {
  const { folds, fold, repeat, stratified, validation } = split
  if (fold >= folds) throw new QuernError('config', `data.split.fold must be from 0 to ${folds - 1}, received ${fold}`)
  if (rows.count < folds) throw new QuernError('input', `${rows.count} rows cannot be divided into ${folds} folds`)
  const drawn = random.fork('folds').fork(repeat).shuffle(allOf(rows))
  // Dealt out class by class, so that each fold has its share; without classes in random order.
  const { classes } = rows
  const order = stratified && classes ? drawn.sort((a, b) => classes[a]! - classes[b]!) : drawn
  const foldOf = new Int32Array(rows.count)
  for (const [i, row] of order.entries()) foldOf[row] = i % folds
  const rest = allOf(rows).filter((row) => foldOf[row] !== fold)
  const test = allOf(rows).filter((row) => foldOf[row] === fold)
  if (validation === 0) return { train: rest, test }
  const inner = byShare(rows, rest, { validation, test: 0 }, stratified, random.fork('fold').fork(fold))
  return { ...inner, test }
}
