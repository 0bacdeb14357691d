/** The profile of a dataset as text. */
import type { ImageProfile } from '../../data/image-profile.ts'
import type { Profile } from '../../tasks/task.ts'
import type { Terminal } from '../terminal.ts'
import { formatCount, formatScore } from './numbers.ts'
import { type Column, table } from './table.ts'
import { tableProfileLines } from './table-profile.ts'
import { harmless } from './text-width.ts'

/** Names of a long list that are shown. */
const shown = 5

/** The profile of any kind of data. */
export function profileLines(profile: Profile, terminal: Terminal): string[] {
  return profile.kind === 'table' ? tableProfileLines(profile, terminal) : pictureLines(profile, terminal)
}

function pictureLines(profile: ImageProfile, terminal: Terminal): string[] {
  const { bold, green, yellow } = terminal.colors
  const { examples, shape, labels, advice } = profile
  const [channels, height, width] = shape
  const head = `${formatCount(examples)} pictures of ${height} x ${width}, ${channels === 1 ? 'grey' : 'colour'}, ${labels.length} classes`
  return [
    bold(head),
    '',
    ...classTable(profile, terminal),
    '',
    ...facts(profile).map(([name, text]) => `${name.padEnd(12)} ${text}`),
    '',
    ...(advice.length === 0 ? [green('Nothing stands in the way of training.')] : [bold('What to do')]),
    ...advice.map((sentence) => `${yellow('-')} ${harmless(sentence)}`),
  ]
}

/** Counts of each class by split. */
function classTable({ labels, splits, examples }: ImageProfile, terminal: Terminal): string[] {
  interface Row {
    readonly label: string
    readonly counts: readonly number[]
    readonly total: number
  }
  const names = Object.keys(splits)
  const rows: Row[] = labels.map((label, i) => {
    const counts = names.map((name) => splits[name]!.classes[i] ?? 0)
    return { label, counts, total: counts.reduce((sum, count) => sum + count, 0) }
  })
  rows.push({ label: 'all', counts: names.map((name) => splits[name]!.examples), total: examples })
  const columns: Column<Row>[] = [
    { title: 'class', value: ({ label }) => label },
    ...names.map(
      (name, i): Column<Row> => ({ title: name, align: 'right', value: ({ counts }) => formatCount(counts[i]!) }),
    ),
    { title: 'share', align: 'right', value: ({ total }) => `${((100 * total) / examples).toFixed(1)} %` },
  ]
  return table(columns, rows, { width: terminal.width, title: terminal.colors.dim })
}

function facts({
  pixels,
  imbalance,
  originals,
  broken,
  ignored,
  duplicates,
  near,
  constant,
}: ImageProfile): [string, string][] {
  const list = (values: readonly number[]): string => values.map(formatScore).join(', ')
  const found: [string, string][] = [['pixels', `mean ${list(pixels.mean)}, deviation ${list(pixels.std)}`]]
  if (imbalance.ratio > 1) {
    found.push([
      'balance',
      harmless(`'${imbalance.largest}' has ${formatScore(imbalance.ratio)} times as many as '${imbalance.smallest}'`),
    ])
  }
  if (originals) {
    const { height, width } = originals
    found.push(['originals', `height ${height.min} to ${height.max}, width ${width.min} to ${width.max}`])
  }
  const leaked = Object.entries(duplicates.leaked).map(([split, count]) => `${count} of ${split} are in train too`)
  const same = [`${duplicates.extra} pictures twice or more`, ...leaked]
  if (duplicates.contradictions.count > 0) same.push(`${duplicates.contradictions.count} with different classes`)
  found.push(['duplicates', duplicates.extra === 0 ? 'none' : same.join(', ')])
  if (near && near.count > 0) found.push(['nearly same', `${near.count} pairs`])
  if (constant.count > 0) found.push(['one colour', sample(constant.first, constant.count)])
  found.push([
    'unreadable',
    sample(
      broken.map(({ name, reason }) => `${name} (${reason})`),
      broken.length,
    ),
  ])
  if (ignored.length > 0)
    found.push([
      'ignored',
      sample(
        ignored.map(({ name, reason }) => `${name} (${reason})`),
        ignored.length,
      ),
    ])
  return found
}

function sample(names: readonly string[], count: number): string {
  if (count === 0) return 'none'
  const first = harmless(names.slice(0, shown).join(', '))
  return count > shown ? `${count}: ${first}, ...` : `${count}: ${first}`
}
