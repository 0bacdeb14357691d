/**
 * The order of a model's inputs and outputs. Objects that hold something by their names do not keep it: JavaScript puts names that are whole numbers first,
 * and exporters give such ones ('461').
 */
import type { InputSpec, Layer } from './layer.ts'

interface Ports {
  readonly inputs?: readonly InputSpec[]
  readonly outputs?: readonly string[]
}

/** Names of the inputs of a model that has any, such as one of `model()` or an imported one. */
export const inputNames = (model: Layer): readonly string[] | undefined =>
  (model as Ports).inputs?.map(({ name }) => name)

/** Names of the outputs of a model that has several. */
export const outputNames = (model: Layer): readonly string[] | undefined => (model as Ports).outputs

/** What stands by these names, in their order; as the object has it where it holds others. */
export function inOrder<Item>(
  names: readonly string[] | undefined,
  items: Readonly<Record<string, Item>>,
): readonly (readonly [string, Item])[] {
  const entries = Object.entries(items)
  const isSame = names?.length === entries.length && names.every((name) => Object.hasOwn(items, name))
  return isSame ? names.map((name) => [name, items[name]!] as const) : entries
}
