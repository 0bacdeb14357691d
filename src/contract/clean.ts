/** Cleaning rules of tables: what the configuration says, and what a bundle keeps of it for the rows that it is given. */
import { z } from 'zod'

/** One column, or several. */
type Columns = string | readonly string[]
type Value = string | number | boolean | null

/** Spaces around a text go, those within become one. */
export interface TrimRule {
  readonly rule: 'trim'
  readonly columns: Columns
  readonly case?: 'lower' | 'upper' | undefined
}

/** Every match of a regular expression is replaced; `$1` stands for its first group. */
export interface RegexRule {
  readonly rule: 'regex'
  readonly columns: Columns
  readonly pattern: string
  readonly flags?: string | undefined
  readonly replace: string
}

/** Values by their texts; null means that there is no value. */
export interface MapRule {
  readonly rule: 'map'
  readonly columns: Columns
  readonly values: Readonly<Record<string, Value>>
  /** values that are not named */
  readonly others: 'keep' | 'missing' | 'fail'
}

/** Numbers outside of the bounds. */
export interface ClipRule {
  readonly rule: 'clip'
  readonly columns: Columns
  readonly min?: number | undefined
  readonly max?: number | undefined
  /** become the bound, or count as missing */
  readonly outside: 'clip' | 'missing'
}

/** Numbers in another unit: '70 in' and '178 cm' as centimetres. */
export interface ConvertRule {
  readonly rule: 'convert'
  readonly columns: Columns
  readonly to: string
  /** unit of numbers that stand without one */
  readonly from?: string | undefined
}

/** Rows that all conditions given hold for are left out of training and evaluation; a row to predict is never left out. */
export interface DropRule {
  readonly rule: 'drop'
  readonly columns: Columns
  readonly where: {
    readonly missing?: true | undefined
    readonly below?: number | string | undefined
    readonly above?: number | string | undefined
    readonly oneOf?: readonly Value[] | undefined
    readonly matches?: string | undefined
  }
}

/** Rows with the same values in these columns (all, when none are named) count once. */
export interface DedupeRule {
  readonly rule: 'dedupe'
  readonly columns?: Columns | undefined
  readonly keep: 'first' | 'last'
}

/** Rules that change a value, and do so for a row to predict as they did in training. */
export type ValueRule = TrimRule | RegexRule | MapRule | ClipRule | ConvertRule
export type RowRule = DropRule | DedupeRule
export type CleanRule = ValueRule | RowRule

/** A rule as a user writes it. */
export type CleanRuleInput =
  | TrimRule
  | (Omit<RegexRule, 'replace'> & { readonly replace?: string })
  | (Omit<MapRule, 'others'> & { readonly others?: MapRule['others'] })
  | (Omit<ClipRule, 'outside'> & { readonly outside?: ClipRule['outside'] })
  | ConvertRule
  | DropRule
  | (Omit<DedupeRule, 'keep'> & { readonly keep?: DedupeRule['keep'] })

/** What a rule did. */
export interface CleaningStep {
  /** "clip 'age' to 0 .. 120" */
  readonly rule: string
  /** rows that it changed or left out */
  readonly rows: number
  readonly dropped: boolean
  /** 'patients.csv row 17: 130 -> 120', the first of them */
  readonly examples: readonly string[]
}

const columns = z.union([z.string().min(1), z.array(z.string().min(1)).min(1).readonly()])
const value = z.union([z.string(), z.number(), z.boolean(), z.null()])
const bound = z.union([z.number(), z.string()]).optional()

/** Why a pattern cannot be used, as the end of a sentence; undefined when it can. */
export function patternProblem(pattern: string, flags = ''): string | undefined {
  try {
    new RegExp(pattern, flags)
  } catch (error) {
    return `is no regular expression (${error instanceof Error ? error.message : String(error)})`
  }
  // A bundle may be a stranger's: what backtracks without end must not run. Repetition of what repeats or branches does.
  const bare = pattern.replaceAll(/\\[^\d]/g, 'x').replaceAll(/\[[^\]]*\]/g, 'x')
  if (/\\\d/.test(bare)) return 'refers back to a group, which can take without end'
  if (/\((?:[^()]*[*+{|][^()]*|[^()]*\([\s\S]*)\)(?:[*+]|\{)/.test(bare)) {
    return 'repeats a group that itself repeats or branches, which can take without end'
  }
  const unbounded = bare.match(/[*+]|\{\d+,\}/g)?.length ?? 0
  return unbounded > 2 ? `has ${unbounded} parts of any length; more than 2 can take without end` : undefined
}

const pattern = z.string().min(1).max(500)

const valueRules = [
  z.strictObject({ rule: z.literal('trim'), columns, case: z.enum(['lower', 'upper']).optional() }),
  z.strictObject({
    rule: z.literal('regex'),
    columns,
    pattern,
    flags: z
      .string()
      .regex(/^[imsu]*$/, 'must be letters of imsu')
      .optional(),
    replace: z.string().default(''),
  }),
  z.strictObject({
    rule: z.literal('map'),
    columns,
    values: z.record(z.string(), value),
    others: z.enum(['keep', 'missing', 'fail']).default('keep'),
  }),
  z.strictObject({
    rule: z.literal('clip'),
    columns,
    min: z.number().optional(),
    max: z.number().optional(),
    outside: z.enum(['clip', 'missing']).default('clip'),
  }),
  z.strictObject({ rule: z.literal('convert'), columns, to: z.string().min(1), from: z.string().min(1).optional() }),
] as const

const rowRules = [
  z.strictObject({
    rule: z.literal('drop'),
    columns,
    where: z.strictObject({
      missing: z.literal(true).optional(),
      below: bound,
      above: bound,
      oneOf: z.array(value).readonly().optional(),
      matches: pattern.optional(),
    }),
  }),
  z.strictObject({
    rule: z.literal('dedupe'),
    columns: columns.optional(),
    keep: z.enum(['first', 'last']).default('first'),
  }),
] as const

/** `data.clean` of the configuration. */
export const cleanSection: z.ZodType<CleanRule[], CleanRuleInput[]> = z.array(
  z.discriminatedUnion('rule', [...valueRules, ...rowRules]),
) as unknown as z.ZodType<CleanRule[], CleanRuleInput[]>

/** What a bundle keeps: the rules for values. */
export const keptRules: z.ZodType<ValueRule[]> = z.array(
  z.discriminatedUnion('rule', [...valueRules]),
) as unknown as z.ZodType<ValueRule[]>
