/** Which parameters of a model are those of the base that it starts from. */
import type { Tensor } from '../core/tensor.ts'

/**
 * Parameters of the base by their names in its file: their paths go on behind the first 'base', wherever that stands in the model. Names of the file may have a
 * 'base' too, and what stands behind the base, such as a new head, may bear the names of the file: only the path tells them apart.
 */
export function baseParameters(parameters: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> {
  const found = new Map<string, Tensor>()
  for (const [path, tensor] of parameters) {
    const name = /^(?:.*?\/)??base\/(.+)$/.exec(path)?.[1]
    if (name !== undefined && !found.has(name)) found.set(name, tensor)
  }
  return found
}
