/** THE table of features, and which one a column gets that asks for none. */
import { QuernError, suggestion } from '../../core/errors.ts'
import type { ColumnKind } from '../table/table.ts'
import { categoryFeatures } from './categories.ts'
import { date } from './date.ts'
import type { Feature } from './feature.ts'
import { listFeatures } from './lists.ts'
import { numberFeatures } from './numbers.ts'
import type { OwnFeature } from './own-feature.ts'
import { pixels } from './pictures.ts'
import { soundFeatures } from './sounds.ts'
import { words } from './words.ts'

export const features: readonly Feature[] = [
  ...numberFeatures,
  ...categoryFeatures,
  date as unknown as Feature,
  ...listFeatures,
]

/** Of columns that are an input of the graph each. */
export const ownFeatures: readonly OwnFeature[] = [
  pixels as unknown as OwnFeature,
  ...soundFeatures,
  words as unknown as OwnFeature,
]

/** The record of a column that is an input of its own; undefined for those that stand in blocks. */
export function ownFeatureOf({ feature }: { readonly feature: string }): OwnFeature | undefined {
  return ownFeatures.find(({ name }) => name === feature)
}

/** A kind that has none is left out unless the configuration names a feature for it. */
export const defaultFeatures: Readonly<Partial<Record<ColumnKind, string>>> = {
  number: 'standard',
  boolean: 'boolean',
  category: 'embedding',
  text: 'bag',
  date: 'date',
  set: 'multiHot',
  vector: 'vector',
  image: 'pixels',
  audio: 'logMel',
}

/** A feature by name, for a column of a kind. Throws `config` with the nearest known one, or those that take the kind. */
export function featureFor(name: string, column: string, kind: ColumnKind): Feature {
  checkFeature(name, column, kind)
  return features.find((feature) => feature.name === name)!
}

/** Throws `config` for a feature that does not exist or does not take the column. */
export function checkFeature(name: string, column: string, kind: ColumnKind): void {
  const all = [...features, ...ownFeatures]
  const found = all.find((feature) => feature.name === name)
  if (!found) {
    const known = all.map((feature) => feature.name)
    throw new QuernError('config', `column '${column}': unknown feature '${name}'. ${suggestion(name, known)}`)
  }
  if (found.kinds.includes(kind)) return
  const fitting = all.filter(({ kinds }) => kinds.includes(kind)).map((feature) => feature.name)
  throw new QuernError('config', `feature '${name}' does not take column '${column}', which holds ${kind}`, {
    hint: `Features for it: ${fitting.join(', ')}.`,
  })
}
