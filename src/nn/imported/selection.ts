/** Which weights of an imported model are trained: by name, pattern or depth. */
import { nearest, QuernError } from '../../core/errors.ts'
import { matching, type Pattern } from '../../core/patterns.ts'
import type { ImportedLayer } from './layers.ts'

/**
 * - 'all', 'none'
 * - 'head': the last layer
 * - `{ last: n }`: the last n layers
 * - `{ except }`: all but what the patterns mean
 * - names or patterns of layers or weights: 'encoder.layer.11', 'conv*', '/bias$/'
 */
export type WeightSelection =
  | 'all'
  | 'none'
  | 'head'
  | Pattern
  | readonly Pattern[]
  | { readonly last: number }
  | { readonly except: Pattern | readonly Pattern[] }

/**
 * Names of the selected weights.
 *
 * @param what names the setting in messages
 * @throws QuernError 'config' for a pattern without a match, with the nearest name; for a depth that the model does not have; and
 * for a weight that a selected layer shares with one that is not
 */
export function selectWeights(
  layers: readonly ImportedLayer[],
  selection: WeightSelection,
  what: string,
): ReadonlySet<string> {
  if (selection === 'none') return new Set()
  if (selection === 'all') return namesOf(layers)
  if (selection === 'head') return byDepth(layers, 1, what)
  if (isObject(selection, 'last')) return byDepth(layers, selection.last, what)
  if (!isObject(selection, 'except')) return byPattern(layers, selection, what)
  const out = byPattern(layers, selection.except, `${what}.except`)
  return new Set([...namesOf(layers)].filter((name) => !out.has(name)))
}

function isObject<Key extends string>(
  selection: WeightSelection,
  key: Key,
): selection is Extract<WeightSelection, { readonly [K in Key]: unknown }> {
  return typeof selection === 'object' && !(selection instanceof RegExp) && key in selection
}

function namesOf(layers: readonly ImportedLayer[]): Set<string> {
  return new Set(layers.flatMap(({ weights }) => weights.map(({ name }) => name)))
}

function byDepth(layers: readonly ImportedLayer[], last: number, what: string): ReadonlySet<string> {
  if (!Number.isInteger(last) || last < 1 || last > layers.length) {
    throw new QuernError(
      'config',
      `${what}.last must be a whole number from 1 to ${layers.length}, the layers of the model, received ${last}`,
    )
  }
  const chosen = layers.slice(-last)
  const names = namesOf(chosen)
  for (const layer of layers.slice(0, -last)) {
    const shared = layer.weights.find(({ name }) => names.has(name))
    if (!shared) continue
    const other = chosen.find(({ weights }) => weights.some(({ name }) => name === shared.name))
    throw new QuernError(
      'config',
      `${what}: the weight '${shared.name}' is shared by the layers '${layer.name}' and '${other?.name}': it cannot be frozen in one and trained in the other`,
      { hint: 'Say by name what is trained: a shared weight that is named is trained in both.' },
    )
  }
  return names
}

/** A pattern that means a layer means all of its weights. */
function byPattern(
  layers: readonly ImportedLayer[],
  patterns: Pattern | readonly Pattern[],
  what: string,
): ReadonlySet<string> {
  const all = typeof patterns === 'string' || patterns instanceof RegExp ? [patterns] : patterns
  const byLayer = new Map(layers.map((layer) => [layer.name, layer]))
  const names = namesOf(layers)
  if (names.size === 0) throw new QuernError('config', `${what}: the model has no weights that can be trained`)
  return new Set(
    all
      .flatMap((pattern) => found(pattern, names, byLayer, what))
      .flatMap((name) => {
        const layer = names.has(name) ? undefined : byLayer.get(name)
        return layer ? layer.weights.map((weight) => weight.name) : [name]
      }),
  )
}

function found(
  pattern: Pattern,
  names: ReadonlySet<string>,
  layers: ReadonlyMap<string, ImportedLayer>,
  what: string,
): readonly string[] {
  const known = [...new Set([...names, ...layers.keys()])]
  try {
    return matching(pattern, known, what)
  } catch (error) {
    if (!(error instanceof QuernError) || !error.message.includes('no trained parameter matches')) throw error
    throw new QuernError(
      'config',
      `${what}: no weight or layer of the model matches '${String(pattern)}'. ${near(String(pattern), known)}`,
      { hint: 'quern inspect MODEL lists them.', cause: error },
    )
  }
}

/** The nearest name, or the last few: a model may have hundreds. */
function near(name: string, known: readonly string[]): string {
  const one = nearest(name, known)
  return one === undefined ? `The last of ${known.length}: ${known.slice(-8).join(', ')}.` : `Did you mean '${one}'?`
}
