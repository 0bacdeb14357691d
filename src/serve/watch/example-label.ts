/** What clients tell of one example, taken apart by the targets of the model. */
import { suggestion } from '../../core/errors.ts'
import { RequestError } from '../request-error.ts'
import type { Judge, TargetLabel } from './judge.ts'

/** What was right for one example: of a model of several targets by their names, null or absent where it is not known. */
export type ExampleLabel = TargetLabel | Readonly<Record<string, TargetLabel | null>>

/** The label of each target that is known, with the place of the target. Throws RequestError 422 for names that are none, and for a label of one target where there are several. */
export function byTarget(
  label: ExampleLabel,
  { targets }: Judge,
  model: string,
): readonly (readonly [number, TargetLabel])[] {
  const isObject = typeof label === 'object' && !Array.isArray(label)
  const names = targets.flatMap(({ target }) => target ?? [])
  if (names.length === 0) {
    if (!isObject) return [[0, label as TargetLabel]]
    throw new RequestError(422, `model '${model}' answers one thing: a label is no object`)
  }
  if (!isObject) {
    throw new RequestError(
      422,
      `model '${model}' answers ${names.join(', ')}: a label is an object with what is known of them, such as {${JSON.stringify(names[0])}: ...}`,
    )
  }
  return Object.entries(label as Readonly<Record<string, TargetLabel | null>>).flatMap(([name, one]) => {
    const place = names.indexOf(name)
    if (place < 0) {
      const hint = suggestion(name, names)
      throw new RequestError(422, `model '${model}' has no target ${JSON.stringify(name.slice(0, 60))}. ${hint}`)
    }
    return one === null ? [] : [[place, one] as const]
  })
}
