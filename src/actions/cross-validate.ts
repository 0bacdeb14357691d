/** How good a project's settings are, whatever model comes of them: trained on all parts of the data but one and scored on that, each part in turn. */
import { QuernError } from '../core/errors.ts'
import { checkOutputs } from './check-outputs.ts'
import type { Project, Services } from './services.ts'
import { type FromChoice, fewExamples, normalizedBase, verifyStart, withBase } from './start-from.ts'
import { trainAndScore } from './train-baselines.ts'

export interface CrossValidateInput extends FromChoice {
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
  started: Project,
  { folds, repeats, signal, ...choice }: CrossValidateInput,
): AsyncGenerator<FoldScores, CrossValidation> {
  const { task, root } = started
  if (!task.atFold) throw new QuernError('config', `the task '${task.name}' cannot be validated in parts`)
  if (!(Number.isInteger(folds) && folds >= 2)) {
    throw new QuernError('config', `--folds must be a whole number of at least 2, received ${folds}`)
  }
  if (!(Number.isInteger(repeats) && repeats >= 1)) {
    throw new QuernError('config', `--repeats must be a whole number of at least 1, received ${repeats}`)
  }
  const { project, base: untouched } = await withBase(services, started, choice)
  const all: FoldScores[] = []
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (let fold = 0; fold < folds; fold++) {
      signal?.throwIfAborted()
      const config = task.atFold(project.config, { folds, fold, repeat })
      const data = await task.load(config, { root, cache: services.cache, signal })
      const at = { ...project, config }
      const base = untouched && (await normalizedBase(services, at, untouched, data))
      const network = task.network(config, data, base)
      checkOutputs(network, services.table, base?.name)
      if (base && network.start) {
        const names = network.inputs.map(({ name }) => name)
        const examples = fewExamples(data.splits.train, names)
        await verifyStart(services, base, { start: network.start, examples, parameters: new Map() })
      }
      const scored = await trainAndScore(services, at, data, { network, train: {} }, signal)
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
