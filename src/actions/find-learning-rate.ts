/** The learning-rate range test of a project: its data, its network and optimizer, no run and no model. */
import { createRandom } from '../core/random.ts'
import { plot } from '../evaluate/html/plot.ts'
import { createOptimizer, type NamedConfig } from '../optim/index.ts'
import { epochSampler } from '../tasks/class-loss.ts'
import { findLearningRate, type RateTest } from '../train/find-learning-rate.ts'
import { checkOutputs } from './check-outputs.ts'
import { createStep, networkFrom } from './create-step.ts'
import type { Project, Services } from './services.ts'
import { type FromChoice, normalizedBase, withBase } from './start-from.ts'

export interface FindRateInput extends FromChoice {
  readonly signal?: AbortSignal | undefined
  /** tells how many pictures were read so far */
  readonly onRead?: ((done: number, total: number) => void) | undefined
  /** tells how many rates were tried so far */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

export interface FoundRate extends RateTest {
  /** rate of the configuration's optimizer */
  readonly configured: number
  /** the plot within the project's folder; undefined when there was nothing to draw */
  readonly plot: string | undefined
}

const folder = '.quern'
const file = 'learning-rate.svg'

/** Tries learning rates on the training split and writes `.quern/learning-rate.svg`. */
export async function findProjectRate(
  services: Services,
  given: Project,
  input: FindRateInput = {},
): Promise<FoundRate> {
  const { project, base } = await withBase(services, given, input)
  const { task, config, root } = project
  const { signal, onRead, onProgress } = input
  const data = await task.load(config, { root, cache: services.cache, signal, onProgress: onRead })
  const described = task.network(config, data, base && (await normalizedBase(services, project, base, data)))
  checkOutputs(described, services.table, base?.name)
  const network = networkFrom(described, services.table)
  const step = await createStep(services, config, network, { groups: described.start?.groups, data })
  try {
    const found = await findLearningRate({
      step,
      train: data.splits.train,
      batchSize: config.train.batchSize,
      random: createRandom(config.seed),
      sampler: epochSampler(config.train, data.splits.train),
      augment: task.augment(config),
      signal,
      onProgress,
    })
    const drawn = plotOf(found)
    if (drawn !== undefined) {
      await services.folder(`${root}/${folder}`).write(file, new TextEncoder().encode(drawn))
    }
    const { optimizer } = config.train
    const configured = createOptimizer(optimizer as string | NamedConfig).config.learningRate
    return { ...found, configured, plot: drawn && `${folder}/${file}` }
  } finally {
    await step.release()
  }
}

const power = (rate: number) => rate.toExponential(1).replace('.0', '').replace('e+', 'e')

/** Loss over rate as an SVG file; what ran away at the end is cut off, or it would flatten all the rest. */
export function plotOf({ points, steepest, minimumTenth }: RateTest): string | undefined {
  const losses = points.map(({ smoothed }) => smoothed)
  const [first = 0, least] = [losses[0], Math.min(...losses)]
  const ceiling = Math.max(first, least) + Math.abs(first - least)
  const shown = points.filter(({ smoothed }) => smoothed <= ceiling)
  return plot({
    title: 'Loss as the learning rate grows',
    x: { title: 'learning rate', scale: 'log', format: power },
    y: { title: 'loss', format: (value) => String(Number(value.toPrecision(3))) },
    lines: [
      {
        name: 'each batch',
        look: 'faint',
        points: shown.filter(({ loss }) => loss <= ceiling).map((p) => [p.learningRate, p.loss]),
      },
      { name: 'smoothed', look: 'first', points: shown.map((p) => [p.learningRate, p.smoothed]) },
    ],
    marks: [
      ...(steepest === undefined ? [] : [{ x: steepest, label: `steepest ${power(steepest)}` }]),
      ...(minimumTenth === undefined ? [] : [{ x: minimumTenth, label: `minimum / 10 ${power(minimumTenth)}` }]),
    ],
  })?.text
}
