/** Options of optimizers and schedules: plain JSON in, complete and checked records out. */
import { QuernError, suggestion } from '../core/errors.ts'

/** One option: its default (undefined: it must be given) and what it accepts. */
export interface Field<T> {
  readonly default: T | undefined
  readonly accepts: (value: unknown) => boolean
  /** 'a number from 0 to 1' */
  readonly expected: string
}

export type Fields<T> = { readonly [K in keyof T]: Field<T[K]> }
export type Given<T> = { readonly [K in keyof T]?: T[K] | undefined }

/** A finite number within `[minimum, maximum]`; `above` and `below` leave the bound itself out. */
export function number(
  preset: number | undefined,
  range: { minimum?: number; above?: number; maximum?: number; below?: number; whole?: boolean } = {},
): Field<number> {
  const { minimum = -Infinity, above = -Infinity, maximum = Infinity, below = Infinity, whole = false } = range
  const bounds = [
    minimum > -Infinity ? `>= ${minimum}` : above > -Infinity ? `> ${above}` : '',
    maximum < Infinity ? `<= ${maximum}` : below < Infinity ? `< ${below}` : '',
  ]
  return {
    default: preset,
    accepts: (v) =>
      Number.isFinite(v) &&
      (!whole || Number.isInteger(v)) &&
      (v as number) >= minimum &&
      (v as number) > above &&
      (v as number) <= maximum &&
      (v as number) < below,
    expected: `a ${whole ? 'whole ' : ''}number ${bounds.filter((b) => b !== '').join(' and ')}`.trim(),
  }
}

export function flag(preset: boolean): Field<boolean> {
  return { default: preset, accepts: (v) => typeof v === 'boolean', expected: 'true or false' }
}

export function choice<const T extends string>(preset: T, ...others: T[]): Field<T> {
  const all: readonly unknown[] = [preset, ...others]
  return { default: preset, accepts: (v) => all.includes(v), expected: all.map((v) => `'${v}'`).join(' or ') }
}

/**
 * The options with defaults filled in.
 *
 * @throws QuernError 'config' for an unknown key (with the nearest known one), a missing or an unfit value
 */
export function readOptions<T extends object>(owner: string, given: Given<T>, fields: Fields<T>): T {
  const known = Object.keys(fields)
  for (const key of Object.keys(given)) {
    if (key !== 'name' && !known.includes(key)) {
      throw new QuernError('config', `${owner} has no option '${key}'. ${suggestion(key, known)}`)
    }
  }
  const read = (key: string): unknown => {
    const field = (fields as Record<string, Field<unknown>>)[key]!
    const value = (given as Record<string, unknown>)[key] ?? field.default
    if (value === undefined) throw new QuernError('config', `${owner} needs the option '${key}': ${field.expected}`)
    if (field.accepts(value)) return value
    throw new QuernError(
      'config',
      `option '${key}' of ${owner} must be ${field.expected}, received ${JSON.stringify(value)}`,
    )
  }
  return Object.fromEntries(known.map((key) => [key, read(key)])) as T
}
