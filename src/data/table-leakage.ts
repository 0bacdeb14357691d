/** How much one column alone says of the target: a column that says all is the answer in another form, or known only afterwards. */
import { type Column, cellText, isPresent } from './table/table.ts'

/** Cells with fewer rows say nothing. */
const leastRows = 3
const bins = 20

/**
 * Rows are grouped by the column's value (numbers: by bins of as many rows, at most 20); each group answers its commonest class, or its mean. The
 * share of right answers, or of the variance that is explained, over the training rows. Undefined where nearly every value is different.
 */
export function singleColumnScore(
  column: Column,
  target: Column,
  rows: Int32Array,
  isClass: boolean,
): number | undefined {
  const groups = groupsOf(column, rows)
  if (groups.length === 0 || rows.length / groups.length < leastRows) return undefined
  return isClass ? rightShare(groups, target, rows.length) : explained(groups, target)
}

/**
 * What a column alone tells beyond guessing: of classes the share of the rows that always answering the commonest gets wrong, of numbers the share of
 * the variance as it is. 0: nothing, 1: everything.
 */
export function beyondGuessing(alone: number, majority: number): number {
  return majority < 1 ? Math.max(0, (alone - majority) / (1 - majority)) : 0
}

function groupsOf(column: Column, rows: Int32Array): number[][] {
  const isNumber = column.kind === 'number' || column.kind === 'date'
  const missing = Array.from(rows).filter((row) => !isPresent(column.valid, row))
  const present = Array.from(rows).filter((row) => isPresent(column.valid, row))
  const found: number[][] = missing.length > 0 ? [missing] : []
  if (!isNumber) {
    const byText = new Map<string, number[]>()
    for (const row of present) {
      const text = cellText(column, row)!
      const group = byText.get(text)
      if (group) group.push(row)
      else byText.set(text, [row])
    }
    return [...found, ...byText.values()]
  }
  present.sort((a, b) => column.values[a]! - column.values[b]!)
  const size = Math.max(leastRows, Math.ceil(present.length / bins))
  let group: number[] = []
  for (const [i, row] of present.entries()) {
    // Equal values stay together.
    const isNew = i > 0 && column.values[row] !== column.values[present[i - 1]!]
    if (isNew && group.length >= size) {
      found.push(group)
      group = []
    }
    group.push(row)
  }
  return group.length > 0 ? [...found, group] : found
}

function rightShare(groups: readonly number[][], target: Column, total: number): number {
  let right = 0
  for (const group of groups) {
    const counts = new Map<string, number>()
    for (const row of group) {
      const text = cellText(target, row)!
      counts.set(text, (counts.get(text) ?? 0) + 1)
    }
    right += Math.max(...counts.values())
  }
  return right / total
}

function explained(groups: readonly number[][], target: Column): number {
  const mean = (rows: readonly number[]): number =>
    rows.reduce((sum, row) => sum + target.values[row]!, 0) / rows.length
  const all = groups.flat()
  const whole = mean(all)
  const total = all.reduce((sum, row) => sum + (target.values[row]! - whole) ** 2, 0)
  let within = 0
  for (const group of groups) {
    const own = mean(group)
    for (const row of group) within += (target.values[row]! - own) ** 2
  }
  return total > 0 ? 1 - within / total : 0
}
