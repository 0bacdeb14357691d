/** A project on a table, trained once for each fold; its baselines see the same rows. */

import { resolveProject } from '../src/actions/project.ts'
import { trainModel } from '../src/actions/train.ts'
import { readManifest } from '../src/bundle/bundle.ts'
import { createServices } from '../src/cli/services.ts'
import type { BenchContext, Figure } from './record.ts'

export interface CrossValidated {
  readonly task: 'tabular-classification' | 'tabular-regression'
  /** that is averaged over the folds */
  readonly metric: string
  readonly floor: number
  /** share of the training rows that chooses the epoch; 0: the last one is taken */
  readonly validation: number
  /** everything but the task and the split */
  readonly config: { readonly data: Readonly<Record<string, unknown>>; readonly [section: string]: unknown }
}

const round = (value: number): number => Number(value.toPrecision(6))
const mean = (values: readonly number[]): number => round(values.reduce((sum, value) => sum + value / values.length, 0))

/** Means of a metric over folds and repeats: of the network, and of each baseline. */
export async function crossValidate(context: BenchContext, of: CrossValidated): Promise<Figure> {
  const { task, metric, floor, validation, config } = of
  const [folds, repeats] = [context.number('folds'), context.number('repeats')]
  const services = createServices({
    root: context.folder,
    cwd: context.folder,
    log: { info: () => undefined, warn: () => undefined },
  })
  const own: number[] = []
  const beside: Record<string, number[]> = {}
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (let fold = 0; fold < folds; fold++) {
      const data = { ...config.data, split: { by: 'k-fold', folds, fold, repeat, validation } }
      const project = resolveProject({ ...config, task, data }, { root: context.folder, what: 'the benchmark' })
      const events = trainModel(services, project)
      let next = await events.next()
      while (!next.done) next = await events.next()
      const { scores, bundle } = next.value
      own.push(scores.test![metric]!)
      const { baselines = {} } = await readManifest(services.folder(bundle!), 'the bundle')
      for (const [name, splits] of Object.entries(baselines)) {
        const found = beside[name] ?? []
        found.push(splits.test![metric]!)
        beside[name] = found
      }
      context.progress(`fold ${fold + 1} of ${folds}: ${own.at(-1)!.toFixed(4)}`)
    }
  }
  return {
    metric: `mean ${metric} of ${folds} folds`,
    value: mean(own),
    floor,
    folds: own.map(round),
    baselines: Object.fromEntries(Object.entries(beside).map(([name, values]) => [name, mean(values)])),
  }
}
