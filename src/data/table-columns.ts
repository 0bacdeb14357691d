/** Which columns of a table a model reads, with which feature, fitted on rows of the training split. */
import type { TableColumn } from '../contract/manifest.ts'
import { QuernError } from '../core/errors.ts'
import type { TrainingColumn } from './features/feature.ts'
import { checkFeature, defaultFeatures, featureFor, ownFeatureOf } from './features/index.ts'
import type { ColumnInfo, TableSchema } from './table/table-source.ts'

/** How the configuration wants a column. */
export interface ColumnWish {
  readonly feature?: string | undefined
  readonly options?: Readonly<Record<string, unknown>> | undefined
  /** kept although it looks like an identifier */
  readonly given?: boolean | undefined
}

export interface ChosenColumns {
  readonly columns: readonly ColumnInfo[]
  /** why the others are left out */
  readonly notes: readonly string[]
}

export interface ChoiceOptions {
  readonly targets: readonly string[]
  readonly wishes: Readonly<Record<string, ColumnWish>>
  /** column that the split goes by */
  readonly splitColumn: string | undefined
}

/** Below it, all values being different says nothing. */
const fewRows = 20

/** The columns to learn from. Throws `input` when none is left, `config` for features that do not take their column. */
export function chooseColumns(schema: TableSchema, { targets, wishes, splitColumn }: ChoiceOptions): ChosenColumns {
  const notes: string[] = schema.unusable.map(({ name, reason }) => `column '${name}' is left out: ${reason}.`)
  const columns = schema.columns.filter((info) => {
    const { name, kind } = info
    if (targets.includes(name)) return false
    const wish = wishes[name] ?? {}
    const reason = name === splitColumn ? 'the split goes by it' : reasonToLeave(info, schema.rows, wish)
    if (reason === undefined) checkFeature(featureName(info, wish), name, kind)
    else notes.push(`column '${name}' is left out: ${reason}.`)
    return reason === undefined
  })
  if (columns.length > 0) return { columns, notes }
  const known = schema.columns.map(({ name }) => name)
  const goal = targets.map((name) => `'${name}'`).join(', ')
  throw new QuernError(
    'input',
    `no column is left to learn from: there are ${known.join(', ')}; the target is ${goal}`,
    { hint: notes.join(' ') },
  )
}

const featureName = ({ kind }: ColumnInfo, { feature }: ColumnWish): string => feature ?? defaultFeatures[kind]!

/** Columns that would be learnt by heart or that say nothing. What the user names is kept. */
function reasonToLeave(
  { kind, distinct, missing }: ColumnInfo,
  rows: number,
  { given, feature }: ColumnWish,
): string | undefined {
  if (feature === undefined && defaultFeatures[kind] === undefined)
    return `no feature takes columns of kind ${kind} by itself`
  if (given) return undefined
  const present = rows - missing
  if (present === 0) return 'it has no value'
  if (distinct === 1 && missing === 0) return 'it has the same value in every row'
  const isKey = present >= fewRows && distinct === present
  if (kind === 'category' && isKey) {
    return `it looks like an identifier: all its values are different (name it in data.columns to keep it)`
  }
  return undefined
}

/** The column as the model will read it. */
export function fitColumn(info: ColumnInfo, wish: ColumnWish | undefined, training: TrainingColumn): TableColumn {
  const { name, kind } = info
  const asked = featureName(info, wish ?? {})
  const feature = ownFeatureOf({ feature: asked }) ?? featureFor(asked, name, kind)
  const state = feature.fit(training, wish?.options ?? {}) as Record<string, unknown>
  const format = info.format === undefined ? {} : { format: info.format }
  return { name, kind, feature: feature.name, state: { ...state, ...format } }
}
