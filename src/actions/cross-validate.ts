/** How good a project's settings are, whatever model comes of them: trained on all parts of the data but one and scored on that, each part in turn. */
import { QuernError } from '../core/errors.ts'
import type { Project, Services } from './services.ts'
import { trainAndScore } from './train-baselines.ts'

export interface CrossValidateInput {
  /** parts of the data */
  readonly folds: number
  /** times that the parts are drawn anew */
  readonly repeats: number
  readonly signal?: AbortSignal | undefined
}

export interface FoldScores {
  readonly type: 'fold'
  /** from 1 */
  readonly fold: number
  readonly repeat: number
  readonly examples: Readonly<Record<string, number>>
  /** of the part that was not trained on */
  readonly scores: Readonly<Record<string, number>>
}

export interface CrossValidation {
  readonly folds: number
  readonly repeats: number
  /** by metric, over all parts; `deviation` is that between parts, with n - 1 */
  readonly metrics: Readonly<Record<string, { readonly mean: number; readonly deviation: number }>>
  /** where it is kept, from the project's root */
  readonly file: string
}

const file = '.quern/folds.json'

/**
 * Yields the scores of each part; returns means and deviations. No model and no run is kept. Features are fitted on the training rows of each part anew.
 *
 * @throws QuernError 'config' for a task or a way of splitting that has no parts
 */
export async function* crossValidate(
  services: Services,
  project: Project,
  { folds, repeats, signal }: CrossValidateInput,
): AsyncGenerator<FoldScores, CrossValidation> {
  const { task, config: given, root } = project
  if (!task.atFold) throw new QuernError('config', `the task '${task.name}' cannot be validated in parts`)
  if (!(Number.isInteger(folds) && folds >= 2)) {
    throw new QuernError('config', `--folds must be a whole number of at least 2, received ${folds}`)
  }
  if (!(Number.isInteger(repeats) && repeats >= 1)) {
    throw new QuernError('config', `--repeats must be a whole number of at least 1, received ${repeats}`)
  }
  const all: FoldScores[] = []
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (let fold = 0; fold < folds; fold++) {
      signal?.throwIfAborted()
      const config = task.atFold(given, { folds, fold, repeat })
      const data = await task.load(config, { root, cache: services.cache, signal })
      const at = { ...project, config }
      const scored = await trainAndScore(services, at, data, { network: task.network(config, data), train: {} }, signal)
      signal?.throwIfAborted()
      const examples = Object.fromEntries(Object.entries(data.splits).map(([name, { length }]) => [name, length]))
      all.push({ type: 'fold', fold: fold + 1, repeat: repeat + 1, examples, scores: scored.test! })
      yield all.at(-1)!
    }
  }
  const summary = { folds, repeats, metrics: metricsOf(all), file }
  const text = `${JSON.stringify({ ...summary, parts: all }, null, 2)}\n`
  await services.folder(root).write(file, new TextEncoder().encode(text))
  return summary
}

function metricsOf(all: readonly FoldScores[]): CrossValidation['metrics'] {
  const names = Object.keys(all[0]!.scores).filter((name) => all.every(({ scores }) => scores[name] !== undefined))
  return Object.fromEntries(
    names.map((name) => {
      const values = all.map(({ scores }) => scores[name]!)
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length
      const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
      return [name, { mean, deviation: Math.sqrt(squares / Math.max(1, values.length - 1)) }]
    }),
  )
}
