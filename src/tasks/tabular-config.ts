/** What quern.config.ts holds for a task on a table. */
import { z } from 'zod'
import { type CleanRule, type CleanRuleInput, cleanSection } from '../contract/clean.ts'
import { commonSections, type TrainInput } from '../contract/config.ts'
import { targetsOf } from '../contract/manifest.ts'
import { QuernError } from '../core/errors.ts'
import type { ColumnHint } from '../data/sources/decide-kind.ts'
import { type ColumnKind, columnKinds } from '../data/table/table.ts'
import type { ColumnWish } from '../data/table-columns.ts'
import type { TableSplit } from '../data/table-split.ts'
import type { TargetForms } from '../data/table-targets.ts'
import type { MetricSpec } from '../metrics/index.ts'
import type { Layer } from '../nn/index.ts'
import { type EncoderInput, type Encoders, encodersSection } from './tabular-encoders.ts'
import { type TabularModelInput, type TabularModelSection, tabularModel } from './tabular-models.ts'
import type { TaskConfig } from './task.ts'

/** A column as a user writes it: its kind, 'ignore', or settings. */
export type ColumnSetting =
  | ColumnKind
  | 'ignore'
  | {
      readonly kind?: ColumnKind | undefined
      /** name of a feature: 'standard', 'robust', 'log', 'quantile', 'piecewise', 'periodic', 'embedding', 'oneHot', 'bag', ... */
      readonly feature?: string | undefined
      /** of the feature: `{ bins: 32 }` */
      readonly options?: Readonly<Record<string, unknown>> | undefined
      /** of dates, in the letters of strptime: '%d.%m.%Y' */
      readonly format?: string | undefined
    }

/** How the rows are divided, as a user writes it; `by` is 'fraction' where it is left out. */
export type TableSplitInput =
  | {
      readonly by?: 'fraction'
      readonly validation?: number
      readonly test?: number
      readonly stratified?: boolean
    }
  | {
      readonly by: 'group' | 'time' | 'hash'
      readonly column: string
      readonly validation?: number
      readonly test?: number
    }
  | { readonly by: 'column'; readonly column: string }
  | {
      readonly by: 'k-fold'
      readonly folds?: number
      readonly fold?: number
      readonly repeat?: number
      readonly validation?: number
      readonly stratified?: boolean
    }

export interface CsvSection {
  readonly delimiter?: string | undefined
  readonly encoding?: 'utf-8' | 'latin-1' | 'utf-16' | undefined
  readonly names?: readonly string[] | undefined
}

export interface TabularDataSection {
  /** a path, a pattern of paths, several, or an address: `sqlite:file.db`, `postgres://...`, `s3://bucket/key` */
  readonly source: string | readonly string[]
  /** of a database: the table, or a query in its place */
  readonly table?: string | undefined
  readonly query?: string | undefined
  /** of a folder: a regular expression over the paths below it, whose named groups are columns */
  readonly pattern?: string | undefined
  /** column that the model answers, or several; where some are classes and some are numbers, by their names */
  readonly target: string | readonly string[] | Readonly<Record<string, 'class' | 'number'>>
  readonly columns: Readonly<Record<string, ColumnSetting>>
  readonly csv?: CsvSection | undefined
  /** texts that mean that there is no value, in place of '', NA, NaN, null, None */
  readonly missing?: readonly string[] | undefined
  /** a line that does not fit the header: stop, or leave it out and say so */
  readonly onBroken: 'fail' | 'skip'
  /** a row without a target: stop, or leave it out and say so */
  readonly onMissingTarget: 'fail' | 'skip'
  /** rules that change values or leave rows out, in this order, before anything else */
  readonly clean: readonly CleanRule[]
  readonly split: TableSplit
  /** MB of encoded rows that are kept in memory; those of larger tables are read from the cache on the disk while training */
  readonly memory: number
}

export interface TabularConfig extends TaskConfig {
  readonly task: 'tabular-classification' | 'tabular-regression' | 'tabular-multilabel'
  readonly data: TabularDataSection
  /** 'linear', a network by its name, or layers of your own from `quern/nn`, which are fed the features `[batch, n]` */
  readonly model: 'linear' | TabularModelSection | Layer
  /** of pictures, sounds and texts that are read word by word, by the names of their columns */
  readonly encoders: Encoders
  /** trains a linear model and the commonest answer beside the network */
  readonly baselines: boolean
}

/** What a user writes: everything with a default may be left out. */
export interface TabularInput<Name extends TabularConfig['task'] = TabularConfig['task']> {
  readonly task: Name
  readonly name?: string
  readonly seed?: number
  readonly device?: TaskConfig['device']
  readonly threads?: number
  readonly data: Pick<TabularDataSection, 'source' | 'target'> &
    Partial<Omit<TabularDataSection, 'source' | 'target' | 'split' | 'clean'>> & {
      readonly clean?: readonly CleanRuleInput[]
      readonly split?: TableSplitInput
    }
  readonly model?: TabularModelInput
  readonly encoders?: Readonly<Record<string, EncoderInput>>
  readonly baselines?: boolean
  readonly train?: TrainInput
  readonly metrics?: readonly MetricSpec[]
}

const kind = z.enum(columnKinds as readonly [ColumnKind, ...ColumnKind[]])
const share = z.number().min(0).lt(1).default(0.1)
const named = z.string().min(1)
const both = { validation: share, test: share }

const column = z.union([
  kind,
  z.literal('ignore'),
  z.strictObject({
    kind: kind.optional(),
    feature: z.string().optional(),
    options: z.record(z.string(), z.unknown()).optional(),
    format: z.string().optional(),
  }),
])

const split = z.preprocess(
  (value) => (typeof value === 'object' && value !== null && !('by' in value) ? { by: 'fraction', ...value } : value),
  z.discriminatedUnion('by', [
    z.strictObject({ by: z.literal('fraction'), ...both, stratified: z.boolean().default(true) }),
    z.strictObject({ by: z.literal('group'), column: named, ...both }),
    z.strictObject({ by: z.literal('time'), column: named, ...both }),
    z.strictObject({ by: z.literal('hash'), column: named, ...both }),
    z.strictObject({ by: z.literal('column'), column: named }),
    z.strictObject({
      by: z.literal('k-fold'),
      folds: z.int().min(2).default(5),
      fold: z.int().nonnegative().default(0),
      repeat: z.int().nonnegative().default(0),
      stratified: z.boolean().default(true),
      validation: share,
    }),
  ]),
)

/** Classes and numbers of several columns are learnt at once; labels are of one. */
function targetSection(task: TabularConfig['task']): z.ZodType<TabularDataSection['target']> {
  const target = z.union([named, z.array(named).min(1), z.record(named, z.enum(['class', 'number']))])
  const formsIn = (given: TabularDataSection['target']): string[] =>
    typeof given === 'string' || Array.isArray(given) ? [] : Object.values(given)
  switch (task) {
    case 'tabular-multilabel':
      return target.refine(
        (given) => typeof given !== 'object' || (Array.isArray(given) && given.length === 1),
        `names several columns, and ${task} answers one: train a model for each, or take 'tabular-classification'`,
      )
    case 'tabular-regression':
      return target.refine(
        (given) => !formsIn(given).includes('class'),
        "names classes: take 'tabular-classification', which answers numbers beside them",
      )
    default:
      return target.refine(
        (given) => formsIn(given).length === 0 || formsIn(given).includes('class'),
        "names no class: take 'tabular-regression'",
      )
  }
}

/** The form of each target of a classification: classes, but for numbers that are named as such. */
export function classForms({ target }: TabularDataSection): TargetForms {
  const forms = targetsOf(target).map((name) =>
    typeof target === 'string' || Array.isArray(target)
      ? 'class'
      : (target as Readonly<Record<string, 'class' | 'number'>>)[name]!,
  )
  return forms.length === 1 ? forms[0]! : forms
}

/** The whole configuration of a task on a table. */
export function tabularSchema(task: TabularConfig['task'], metrics: readonly string[]): z.ZodType<TabularConfig> {
  return z.strictObject({
    task: z.literal(task),
    ...commonSections,
    data: z.strictObject({
      source: z.union([named, z.array(named).min(1)]),
      table: named.optional(),
      query: named.optional(),
      pattern: named.optional(),
      target: targetSection(task),
      columns: z.record(z.string(), column).default({}),
      csv: z
        .strictObject({
          delimiter: z.string().length(1).optional(),
          encoding: z.enum(['utf-8', 'latin-1', 'utf-16']).optional(),
          names: z.array(named).min(1).optional(),
        })
        .optional(),
      missing: z.array(z.string()).optional(),
      onBroken: z.enum(['fail', 'skip']).default('fail'),
      onMissingTarget: z.enum(['fail', 'skip']).default('fail'),
      clean: cleanSection.default([]),
      split: split.default({ by: 'fraction', validation: 0.1, test: 0.1, stratified: true }),
      memory: z.number().positive().default(1024),
    }),
    model: tabularModel,
    encoders: encodersSection,
    baselines: z.boolean().default(true),
    train: commonSections.train,
    metrics: z.array(z.union([z.string(), z.looseObject({ name: z.string() })])).default([...metrics]),
  }) as unknown as z.ZodType<TabularConfig>
}

/** The configuration with one part of the rows as the test. Throws `config` where the rows are divided by what they hold. */
export function tableAtFold(
  config: TabularConfig,
  at: { readonly folds: number; readonly fold: number; readonly repeat: number },
): TabularConfig {
  const { split } = config.data
  if (split.by !== 'fraction' && split.by !== 'k-fold') {
    throw new QuernError('config', `--folds divides rows at random, data.split goes by ${split.by}`, {
      hint: 'Parts at random would tell more than it allows: evaluate it as it is, with several seeds.',
    })
  }
  const { stratified, validation } = split
  return { ...config, data: { ...config.data, split: { by: 'k-fold', ...at, stratified, validation } } }
}

/** What the configuration says of columns, for the source and for the features. */
export function columnSettings({ columns, target, split }: TabularDataSection): {
  hints: Record<string, ColumnHint>
  wishes: Record<string, ColumnWish>
  ignore: string[]
} {
  const hints: Record<string, ColumnHint> = {}
  const wishes: Record<string, ColumnWish> = {}
  const ignore: string[] = []
  for (const [name, setting] of Object.entries(columns)) {
    if (setting === 'ignore') ignore.push(name)
    else if (typeof setting === 'string') {
      hints[name] = { kind: setting }
      wishes[name] = { given: true }
    } else {
      const { kind, format, feature, options } = setting
      hints[name] = { kind, format }
      wishes[name] = { feature, options, given: true }
    }
  }
  // What rows are answered or divided by is read; nothing is learnt from it in any case.
  const needed = [...targetsOf(target), ...('column' in split ? [split.column] : [])]
  return { hints, wishes, ignore: ignore.filter((name) => !needed.includes(name)) }
}
