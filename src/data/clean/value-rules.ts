/** What each rule for values does to one value: in training and for a row to predict alike. */
import type { ValueRule } from '../../contract/clean.ts'
import { patternProblem } from '../../contract/clean.ts'
import { QuernError } from '../../core/errors.ts'
import { convertUnit } from './units.ts'

/** undefined: there is no value */
export type CellValue = string | number | boolean | undefined

interface RuleKind<Rule extends ValueRule> {
  /** the column is read as texts, whatever they look like: what they are is found out behind the rules */
  readonly readsText: boolean
  /** for reports: "clip 'age' to 0 .. 120" */
  describe(rule: Rule): string
  /** Throws `config` for a rule that can do nothing. */
  change(rule: Rule): (cell: string | number | boolean) => CellValue
}

/** What patterns run on: with two parts of any length they take the cube of it. */
const longestText = 1000

const numeric = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/** A number or a text that is one. */
export function numberOf(cell: CellValue): number | undefined {
  if (typeof cell === 'number') return cell
  return typeof cell === 'string' && numeric.test(cell.trim()) ? Number(cell) : undefined
}

/** '7', '7.0' and 7 are one key. */
const keyOf = (cell: CellValue): string => {
  const number = numberOf(cell)
  return number === undefined ? String(cell) : String(number)
}

export const columnsOf = (columns: string | readonly string[]): readonly string[] =>
  typeof columns === 'string' ? [columns] : columns
const named = (columns: string | readonly string[]): string =>
  columnsOf(columns)
    .map((name) => `'${name}'`)
    .join(', ')
const shown = (text: string): string => JSON.stringify(text)

function needNumber(cell: string | number | boolean, why: string): number {
  const number = numberOf(cell)
  if (number !== undefined) return number
  throw new QuernError('input', `${shown(String(cell))} is no number, which ${why}`)
}

const kinds: { readonly [Name in ValueRule['rule']]: RuleKind<Extract<ValueRule, { rule: Name }>> } = {
  trim: {
    readsText: true,
    describe: ({ columns, case: letters }) => `trim ${named(columns)}${letters ? `, ${letters} case` : ''}`,
    change:
      ({ case: letters }) =>
      (cell) => {
        if (typeof cell !== 'string') return cell
        const text = cell.replaceAll(/\s+/g, ' ').trim()
        return letters === 'lower' ? text.toLowerCase() : letters === 'upper' ? text.toUpperCase() : text
      },
  },
  regex: {
    readsText: true,
    describe: ({ columns, pattern, flags = '', replace }) =>
      `replace /${pattern}/${flags} by ${shown(replace)} in ${named(columns)}`,
    change({ pattern, flags, replace }) {
      checkPattern(pattern, flags)
      const expression = new RegExp(pattern, `g${flags ?? ''}`)
      return (cell) => {
        const text = String(cell)
        if (text.length <= longestText) return changed(cell, text.replaceAll(expression, replace))
        throw new QuernError(
          'input',
          `a text of ${text.length} characters is too long for a pattern: at most ${longestText}`,
        )
      }
    },
  },
  map: {
    readsText: true,
    describe: ({ columns, values }) => `map ${Object.keys(values).length} values of ${named(columns)}`,
    change({ values, others }) {
      const table = new Map(Object.entries(values).map(([from, to]) => [keyOf(from), to ?? undefined]))
      return (cell) => {
        const key = keyOf(cell)
        if (table.has(key)) return table.get(key)
        if (others === 'keep') return cell
        if (others === 'missing') return undefined
        throw new QuernError('input', `${shown(String(cell))} is none of the values that the rule 'map' names`)
      }
    },
  },
  clip: {
    readsText: false,
    describe: ({ columns, min, max, outside }) =>
      `${outside === 'clip' ? 'clip' : 'no value for'} ${named(columns)} ${outside === 'clip' ? 'to' : 'outside of'} ${
        min === undefined ? `at most ${max}` : max === undefined ? `at least ${min}` : `${min} .. ${max}`
      }`,
    change({ min = -Infinity, max = Infinity, outside }) {
      if (!(min <= max) || (min === -Infinity && max === Infinity)) {
        throw new QuernError('config', `data.clean: 'clip' needs min or max, and min <= max, received ${min} .. ${max}`)
      }
      return (cell) => {
        const number = needNumber(cell, "the rule 'clip' needs")
        if (number >= min && number <= max) return cell
        return outside === 'missing' ? undefined : Math.min(max, Math.max(min, number))
      }
    },
  },
  convert: {
    readsText: true,
    describe: ({ columns, from, to }) =>
      `convert ${named(columns)}${from === undefined ? '' : ` from ${from}`} to ${to}`,
    change({ from, to }) {
      // A unit that is misspelt is found before the first row.
      if (from === undefined) convertUnit(1, to, to)
      else convertUnit(1, from, to)
      return (cell) => {
        const [, digits, unit] =
          typeof cell === 'string' ? (/^\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*(\D.*?)?\s*$/.exec(cell) ?? []) : []
        const number = needNumber(digits ?? cell, "the rule 'convert' needs, with or without a unit behind it")
        const of = unit ?? from
        if (of !== undefined) return changed(cell, convertUnit(number, of, to))
        throw new QuernError('input', `${shown(String(cell))} has no unit`, {
          hint: `Say the unit of such numbers: { rule: 'convert', from: ..., to: '${to}' }.`,
        })
      }
    },
  },
}

/** The cell itself where nothing changed, so that it is not counted. */
function changed(cell: string | number | boolean, result: string | number): CellValue {
  return String(result) === String(cell) ? cell : result === '' ? undefined : result
}

/** Throws `config` for a pattern that is none, or that could run without end. */
export function checkPattern(pattern: string, flags?: string): void {
  const problem = patternProblem(pattern, flags)
  if (problem !== undefined) throw new QuernError('config', `data.clean: the pattern /${pattern}/ ${problem}`)
}

/** Any value rule by its kind. */
function kindOf(rule: ValueRule): RuleKind<ValueRule> {
  return kinds[rule.rule] as unknown as RuleKind<ValueRule>
}

export function isValueRule(rule: { readonly rule: string }): rule is ValueRule {
  return Object.hasOwn(kinds, rule.rule)
}

export const readsText = (rule: ValueRule): boolean => kindOf(rule).readsText
export const describeValueRule = (rule: ValueRule): string => kindOf(rule).describe(rule)

/** What a rule makes of a value; no value stays none. */
export function valueChange(rule: ValueRule): (cell: CellValue) => CellValue {
  const change = kindOf(rule).change(rule)
  return (cell) => (cell === undefined ? undefined : change(cell))
}
