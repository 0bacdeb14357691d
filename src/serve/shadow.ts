/** A version that only looks on: after an answer it computes the same, at the end of the queue, and what differs is told to those who watch. */
import { messageOf } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import type { NamedTensors } from '../runtime/backend.ts'
import type { ShadowReport } from './aliases.ts'
import type { Catalog } from './catalog.ts'

/** Below every request and job. */
const shadowPriority = -20
/** Comparisons at once; when more come, they are left out: a shadow must not cost the memory of those who are answered. */
const mostAtOnce = 8
const running = new WeakMap<Catalog, number>()

/** What is called with the results of a run of `version`; undefined when its model has no shadow. */
export function shadowOf(
  catalog: Catalog,
  name: string,
  version: string,
): ((feeds: NamedTensors, outputs: readonly string[] | undefined, results: NamedTensors) => void) | undefined {
  const { shadow } = catalog.aliases(name)
  if (shadow === undefined || shadow === version) return undefined
  return (feeds, outputs, results) => {
    const count = running.get(catalog) ?? 0
    if (count >= mostAtOnce) return
    running.set(catalog, count + 1)
    compare(catalog, name, shadow, feeds, outputs, results)
      .then((difference) => catalog.onShadow?.({ name, version, shadow, ...difference }))
      .catch((error: unknown) => catalog.log.warn(`shadow ${shadow} of model '${name}' failed: ${messageOf(error)}`))
      .finally(() => running.set(catalog, (running.get(catalog) ?? 1) - 1))
  }
}

async function compare(
  catalog: Catalog,
  name: string,
  shadow: string,
  feeds: NamedTensors,
  outputs: readonly string[] | undefined,
  results: NamedTensors,
): Promise<Pick<ShadowReport, 'rows' | 'largestDifference' | 'agreement'>> {
  const { model, release } = await catalog.lease(name, shadow)
  try {
    const others = await model.pipeline({ priority: shadowPriority }).infer(feeds, outputs)
    const names = Object.keys(results)
    const differences = names.map((output) => largestDifference(results[output]!, others[output]))
    const first = names[0]!
    const rows = results[first]!.shape[0] ?? 1
    return {
      rows,
      largestDifference: Math.max(...differences),
      agreement: agreement(results[first]!, others[first], rows),
    }
  } finally {
    release()
  }
}

function largestDifference(ours: Tensor, theirs: Tensor | undefined): number {
  if (!theirs || theirs.data.length !== ours.data.length) return Infinity
  let largest = 0
  for (let i = 0; i < ours.data.length; i++) {
    const [a, b] = [ours.data[i]!, theirs.data[i]!]
    const difference = typeof a === 'string' ? Number(a !== b) : Math.abs(Number(a) - Number(b))
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference
  }
  return largest
}

function agreement(ours: Tensor, theirs: Tensor | undefined, rows: number): number {
  if (!theirs || theirs.data.length !== ours.data.length || rows === 0) return 0
  const width = ours.data.length / rows
  let same = 0
  for (let row = 0; row < rows; row++) if (largestAt(ours, row, width) === largestAt(theirs, row, width)) same++
  return same / rows
}

function largestAt({ data }: Tensor, row: number, width: number): number {
  let best = row * width
  for (let i = best + 1; i < (row + 1) * width; i++) if (data[i]! > data[best]!) best = i
  return best - row * width
}
