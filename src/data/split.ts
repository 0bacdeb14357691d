/**
 * Splits a dataset into train, validation and test: disjoint, complete, and the same for the same seed whatever the
 * order in which the examples are stored (they are ordered by name first).
 */
import { QuernError, suggestion } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import { columnOf, type Dataset, exampleName, labelsOf, subset } from './dataset.ts'
import { orderByName } from './name-order.ts'
import { type SplitName, splitNames } from './source.ts'

export interface SplitConfig {
  /** shares of the examples; train may be left out and takes the rest */
  readonly train?: number
  readonly validation?: number
  readonly test?: number
  /** column whose classes keep their shares in every split */
  readonly stratify?: string
}

export type Splits = Readonly<Partial<Record<SplitName, Dataset>>>

/** Shares of the splits that are wanted, in the order train, validation, test. */
function sharesOf(config: SplitConfig): Map<SplitName, number> {
  const known = [...splitNames, 'stratify']
  for (const key of Object.keys(config)) {
    if (!known.includes(key)) throw new QuernError('config', `unknown key split.${key}. ${suggestion(key, known)}`)
  }
  const shares = new Map<SplitName, number>()
  let sum = 0
  for (const name of splitNames) {
    const share = config[name]
    if (share === undefined) continue
    if (!(share >= 0 && share <= 1)) {
      throw new QuernError('config', `split.${name} must be a share from 0 to 1, received ${share}`)
    }
    if (share > 0) shares.set(name, share)
    sum += share
  }
  if (config.train === undefined) {
    // 1 - 0.1 - 0.2 leaves dust; a rest below a billionth is none.
    if (sum < 1 - 1e-9) return new Map([['train', 1 - sum], ...shares])
    throw new QuernError('config', `the shares of validation and test leave nothing to train on: they add up to ${sum}`)
  }
  if (Math.abs(sum - 1) <= 1e-9) return shares
  throw new QuernError('config', `the shares of the splits must add up to 1, received ${sum}`, {
    hint: 'Leave out split.train and it takes the rest.',
  })
}

/**
 * Whole numbers in proportion to the shares that add up to `total` (largest remainder; ties go to the earlier one).
 * When there are enough, every share gets at least one.
 */
export function apportion(total: number, shares: readonly number[]): number[] {
  const sum = shares.reduce((a, b) => a + b, 0)
  const exact = shares.map((share) => (share / sum) * total)
  const counts = exact.map((x) => Math.floor(x + 1e-9))
  const remainders = exact.map((x, i) => [x - counts[i]!, i] as const).sort(([a, i], [b, j]) => b - a || i - j)
  const left = total - counts.reduce((a, b) => a + b, 0)
  for (let k = 0; k < left; k++) counts[remainders[k % remainders.length]![1]]!++
  if (total >= shares.length) {
    for (let i = 0; i < counts.length; i++) {
      if (counts[i]! > 0) continue
      const largest = counts.indexOf(Math.max(...counts))
      counts[largest]!--
      counts[i]!++
    }
  }
  return counts
}

/** Positions ordered by the examples' names, which makes a split independent of the order of storage. */
function positionsByName(dataset: Dataset): Int32Array {
  return orderByName(dataset.length, (position) => exampleName(dataset, position))
}

/** Groups of positions that are split one by one: the classes, or everything together. */
function groupsOf(dataset: Dataset, stratify: string | undefined, parts: number): Map<string, Int32Array> {
  const order = positionsByName(dataset)
  if (stratify === undefined) return new Map([['', order]])
  const labels = labelsOf(dataset, stratify)
  const counts = new Map<number, number>()
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1)
  const groups = new Map([...counts].map(([label, count]) => [label, { rows: new Int32Array(count), filled: 0 }]))
  for (const position of order) {
    const group = groups.get(labels[position]!)!
    group.rows[group.filled++] = position
  }
  const named = [...groups]
    .sort(([a], [b]) => a - b)
    .map(([label, { rows }]) => [dataset.labels[label] ?? String(label), rows] as const)
  const lonely = parts > 1 ? named.filter(([, group]) => group.length === 1) : []
  const [first] = lonely
  if (first) {
    const others = lonely.length > 1 ? ` (and ${lonely.length - 1} more classes)` : ''
    throw new QuernError(
      'input',
      `class '${first[0]}'${others} has one example, ${exampleName(dataset, first[1][0]!)}, which cannot be in more than one split`,
      { hint: 'Add examples of it, remove the class, or set data.split.stratified to false.' },
    )
  }
  return new Map(named)
}

/**
 * Random splits with the given shares. Stratified ones keep the shares of the classes, each class apportioned alone and
 * then corrected so that the sizes of the splits are those of the whole.
 *
 *     const { train, validation } = splitByShare(all, { validation: 0.1, stratify: 'label' }, createRandom(seed))
 */
export function splitByShare(dataset: Dataset, config: SplitConfig, random: Random): Splits {
  if (config.stratify !== undefined) columnOf(dataset, config.stratify)
  const shares = sharesOf(config)
  const names = [...shares.keys()]
  const fractions = [...shares.values()]
  if (dataset.length < names.length) {
    const empty = names[dataset.length]
    throw new QuernError(
      'input',
      `split '${empty}' would be empty: ${dataset.length} examples cannot fill ${names.join(', ')}`,
      { hint: 'Add examples or leave out a split.' },
    )
  }
  const groups = groupsOf(dataset, config.stratify, names.length)
  const counts = tableOfCounts(
    [...groups.values()].map((group) => group.length),
    fractions,
    dataset.length,
  )
  const parts = names.map((_, part) => new Int32Array(counts.reduce((sum, row) => sum + row[part]!, 0)))
  const filled = names.map(() => 0)
  let row = 0
  for (const [name, group] of groups) {
    random.fork('split').fork(name).shuffle(group)
    let from = 0
    for (const [part, count] of counts[row++]!.entries()) {
      parts[part]!.set(group.subarray(from, from + count), filled[part]!)
      filled[part]! += count
      from += count
    }
  }
  return Object.fromEntries(names.map((name, i) => [name, subset(dataset, parts[i]!.sort())]))
}

/**
 * Numbers of examples [group][split]. Rows add up to the groups. Columns are brought to the apportionment of the whole
 * by moving single examples from splits with too many to splits with too few, where that costs the least and empties none.
 */
function tableOfCounts(groups: readonly number[], fractions: readonly number[], total: number): number[][] {
  const table = groups.map((size) => apportion(size, fractions))
  const surplus = apportion(total, fractions).map((want, s) => table.reduce((sum, row) => sum + row[s]!, 0) - want)
  for (;;) {
    let best: { row: number[]; from: number; to: number; cost: number } | undefined
    for (const [g, row] of table.entries()) {
      for (const [from, over] of surplus.entries()) {
        for (const [to, under] of surplus.entries()) {
          if (over <= 0 || under >= 0 || row[from] === 0) continue
          // The last example of a group stays in its split, unless the other split has none at all.
          const isEmpty = table.every((other) => other[to] === 0)
          if (row[from] === 1 && !isEmpty) continue
          // How far the row is from its exact shares after the move, less how far it was before.
          const distance = (s: number, n: number): number => Math.abs(n - groups[g]! * fractions[s]!)
          const cost =
            distance(from, row[from]! - 1) -
            distance(from, row[from]!) +
            distance(to, row[to]! + 1) -
            distance(to, row[to]!) -
            // A split without any example is filled first, and whatever it costs.
            (isEmpty ? 4 : 0)
          if (!best || cost < best.cost) best = { row, from, to, cost }
        }
      }
    }
    // A move that takes a group a whole example or more off its share would trade balance of classes for balance of sizes.
    if (!best || best.cost >= 1.5) return table
    best.row[best.from]!--
    best.row[best.to]!++
    surplus[best.from]!--
    surplus[best.to]!++
  }
}

/** Splits by given positions; an error when an example is in two of them or in none, or when one is empty. */
export function splitByPositions(
  dataset: Dataset,
  given: Readonly<Partial<Record<SplitName, ArrayLike<number>>>>,
): Splits {
  const owner = new Array<SplitName | undefined>(dataset.length).fill(undefined)
  const splits: Partial<Record<SplitName, Dataset>> = {}
  for (const name of splitNames) {
    const positions = given[name]
    if (!positions) continue
    if (positions.length === 0) throw new QuernError('input', `split '${name}' is empty`)
    splits[name] = subset(dataset, positions)
    for (let i = 0; i < positions.length; i++) {
      const position = positions[i]!
      const other = owner[position]
      if (other) {
        throw new QuernError(
          'input',
          `${exampleName(dataset, position)} is in split '${name}' and already in '${other}'`,
        )
      }
      owner[position] = name
    }
  }
  const left = owner.indexOf(undefined)
  if (left >= 0) throw new QuernError('input', `${exampleName(dataset, left)} is in no split`)
  return splits
}
