/** Sentences that a profile of a table leads to. One rule a line; a rule that has nothing to say gives nothing. */
import type { TableProfile } from './table-profile.ts'

type Profile = Omit<TableProfile, 'advice'>
type Rule = (profile: Profile) => readonly string[]

const list = (names: readonly string[]): string =>
  names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

export const repeatedRows = (rows: number): string =>
  rows === 1 ? '1 row repeats an earlier one' : `${rows.toLocaleString('en-US')} rows repeat an earlier one`

/** A column that alone is right this often is suspicious, unless guessing is nearly as good. */
const suspicious = 0.995

const leaks: Rule = ({ columns, majority }) =>
  columns
    .filter(({ alone }) => alone !== undefined && alone >= suspicious && majority < 0.98)
    .map(
      ({ name, alone }) =>
        `Leak? Column '${name}' alone tells the target of ${percent(alone!)}. Is it known before the answer is? If not, set data.columns['${name}'] to 'ignore'.`,
    )

const shared: Rule = ({ duplicates, splits }) =>
  Object.entries(duplicates.shared).map(
    ([split, count]) =>
      `${count} of ${splits[split]!.rows} rows of '${split}' are in 'train' too, so results on them look better than they are. Remove repeated rows (data.clean: { rule: 'dedupe' }), or keep them together: data.split by 'group'.`,
  )

const contradictions: Rule = ({ duplicates: { contradictions: count } }) =>
  count > 0 ? [`${count} rows are equal to others but for the target: no model can be right for all of them.`] : []

const near: Rule = ({ near: { pairs, across, first } }) =>
  pairs > 0
    ? [
        `${pairs} pairs of rows are almost the same${across > 0 ? `, ${across} of them in different splits` : ''} (${list(first)}). If they tell of one thing twice, keep them together: data.split by 'group', or drop them.`,
      ]
    : []

const time: Rule = ({ time: found }) =>
  found.flatMap(({ column, broken, earlier }) => {
    const mixed = Object.entries(earlier).filter(([, share]) => share > 0.05)
    return [
      ...(broken
        ? [
            `Column '${column}' follows the order of time but for ${broken.count} rows, the first of them ${broken.first}: look whether its dates are right.`,
          ]
        : []),
      ...(mixed.length > 0
        ? [
            `${mixed.map(([split, share]) => `${percent(share)} of '${split}'`).join(' and ')} lie before the latest '${column}' of training. A model that is to foresee must not learn from what came later: data.split = { by: 'time', column: '${column}' }.`,
          ]
        : []),
    ]
  })

const repeated: Rule = ({ duplicates: { rows, first } }) =>
  rows > 0 ? [`${repeatedRows(rows)} (${list(first)}).`] : []

const lonely: Rule = ({ labels, splits }) => {
  const counts = labels.map((_, i) => Object.values(splits).reduce((sum, { classes }) => sum + classes[i]!, 0))
  const few = labels.filter((_, i) => counts[i]! < 20)
  return few.length > 0 ? [`Fewer than 20 rows: ${list(few)}. What is scored on so few is chance.`] : []
}

const absent: Rule = ({ labels, splits }) =>
  Object.entries(splits).flatMap(([split, { classes }]) => {
    const names = labels.filter((_, i) => classes[i] === 0)
    return names.length > 0 ? [`'${split}' has no row of ${list(names)}.`] : []
  })

const imbalance: Rule = ({ labels, majority }) =>
  labels.length > 0 && majority >= 0.8
    ? [
        `Always answering the commonest class would be right for ${percent(majority)}: judge by areaUnderRoc and f1, not by accuracy.`,
      ]
    : []

const mostlyMissing: Rule = ({ columns, rows }) => {
  const names = columns.filter(({ missing }) => missing > rows / 2).map(({ name }) => name)
  return names.length > 0 ? [`More than half of the values are missing: ${list(names)}.`] : []
}

const written: Rule = ({ columns, targets }) =>
  columns.flatMap(({ name, written: found }) => {
    if (found === undefined || targets.includes(name)) return []
    const rules = found.rules.map(({ pattern, replace }) => {
      return `{ rule: 'regex', columns: '${name}', pattern: '${pattern}'${replace === undefined ? '' : `, replace: '${replace}'`} }`
    })
    return [
      `Column '${name}' holds numbers written as '${found.example}', which are taken for names. data.clean makes numbers of them: ${rules.join(', ')}; texts that mean no value stand in data.missing.`,
    ]
  })

/** From this share of different values on a column may name the rows. */
const mostlyDifferent = 0.9

const manyValues: Rule = ({ columns, rows }) =>
  columns
    .filter(
      ({ kind, distinct, alone, missing, written }) =>
        written === undefined &&
        kind === 'category' &&
        alone === undefined &&
        distinct > 50 &&
        distinct < rows - missing,
    )
    .map(
      ({ name, distinct, missing }) =>
        `Column '${name}' has ${distinct} different values${
          distinct >= mostlyDifferent * (rows - missing)
            ? ` in ${rows - missing} rows: if it names the rows, set data.columns['${name}'] to 'ignore'.`
            : ', most of them rare: they teach little.'
        }`,
    )

const counting: Rule = ({ columns, rows, targets }) =>
  columns
    .filter(({ name, kind, distinct, numbers }) => {
      if (targets.includes(name) || kind !== 'number' || distinct !== rows || rows < 20 || !numbers) return false
      const [least, , , , most] = numbers.quartiles
      // Whole numbers, nearly without gaps: some rows may have been left out. Quarters of whole numbers are multiples of a quarter.
      return numbers.quartiles.every((value) => Number.isInteger(4 * value)) && most - least < 1.1 * rows
    })
    .map(
      ({ name }) =>
        `Column '${name}' counts the rows: if it is a number of the file, set data.columns['${name}'] to 'ignore'.`,
    )

const small: Rule = ({ splits }) =>
  splits.train!.rows < 200
    ? [`${splits.train!.rows} training rows are few: compare with the linear baseline before trusting a network.`]
    : []

/** The most urgent first. */
const rules: readonly Rule[] = [
  leaks,
  shared,
  contradictions,
  lonely,
  absent,
  imbalance,
  counting,
  written,
  mostlyMissing,
  manyValues,
  repeated,
  near,
  time,
  small,
  ({ skipped }) =>
    skipped.length > 0
      ? [
          `${skipped.length === 1 ? '1 row was' : `${skipped.length} rows were`} left out: ${list(skipped.map(({ name, reason }) => `${name} (${reason})`))}.`,
        ]
      : [],
  ({ notes }) => notes.map((note) => note[0]!.toUpperCase() + note.slice(1)),
]

export function tableAdvice(profile: Profile): string[] {
  return rules.flatMap((rule) => rule(profile))
}
