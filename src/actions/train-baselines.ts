/** Simple models of the same rows, trained and scored beside the network: what it must beat to be worth its trouble. */
import { exportGraph } from '../bundle/export-graph.ts'
import type { Manifest } from '../contract/manifest.ts'
import { sha256OfText } from '../core/hash.ts'
import { createRandom } from '../core/random.ts'
import { epochSampler } from '../tasks/class-loss.ts'
import type { Baseline, TaskConfig, TaskData } from '../tasks/task.ts'
import { memoryCheckpoints } from '../train/checkpoint.ts'
import { runLoop } from '../train/loop.ts'
import { createStep, networkFrom } from './create-step.ts'
import { optimization, sessionOptions } from './project.ts'
import { scoreDataset } from './score-dataset.ts'
import type { Project, Services } from './services.ts'

type Scores = NonNullable<Manifest['baselines']>

/** Scores of each baseline by split; nothing for a task that has none. */
export async function trainBaselines(
  services: Services,
  project: Project,
  data: TaskData,
): Promise<{ baselines?: Scores }> {
  const baselines = project.task.baselines?.(project.config, data) ?? []
  if (baselines.length === 0) return {}
  const scores: Scores = {}
  for (const baseline of baselines) scores[baseline.name] = await trainAndScore(services, project, data, baseline)
  return { baselines: scores }
}

/** Trains a network in memory and scores its best epoch: metrics of each split but training's. Nothing is kept. */
export async function trainAndScore(
  services: Services,
  { task, config: own }: Project,
  data: TaskData,
  { network, train }: Pick<Baseline, 'network' | 'train'>,
  signal?: AbortSignal,
): Promise<Record<string, Record<string, number>>> {
  const config: TaskConfig = { ...own, train: { ...own.train, ...train } }
  const { table, backend } = services
  const { schedule, swa } = optimization(config)
  const { monitor, earlyStopping } = config.train
  const step = await createStep(services, config, networkFrom(network, table), { groups: network.start?.groups, data })
  try {
    const events = runLoop({
      step,
      train: data.splits.train,
      validation: data.splits.validation,
      target: network.target.name,
      epochs: config.train.epochs,
      batchSize: config.train.batchSize,
      schedule,
      swa,
      scorer: () => task.scorer(config),
      random: createRandom(config.seed),
      sampler: epochSampler(config.train, data.splits.train),
      augment: task.augment(config),
      batches: services.batches,
      monitor,
      earlyStopping: earlyStopping === false ? undefined : earlyStopping,
      signal,
      checkpoints: memoryCheckpoints(),
      clock: services.clock,
      device: config.device,
      fingerprint: await sha256OfText('baseline'),
    })
    for await (const _ of events);
    const { model, inputs, outputs: ends } = network
    const output = ends[0].name
    const bytes = exportGraph({ model, inputs, output, parameters: step.parameters, table, name: 'baseline' })
    const session = await backend.createSession(bytes, sessionOptions(config))
    const ports = {
      inputs: inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape: ['batch', ...shape] })),
      outputs: ends.map(({ name, shape }) => ({ name, dtype: 'float32', shape: ['batch', ...shape] })),
    }
    const pipeline = {
      manifest: ports as unknown as Manifest,
      infer: (feeds: Parameters<typeof session.run>[0]) => session.run(feeds),
    }
    try {
      const found: Record<string, Record<string, number>> = {}
      for (const [split, dataset] of Object.entries(data.splits)) {
        if (split === 'train') continue
        const outputs = await scoreDataset(pipeline, dataset)
        found[split] = { ...task.report({ outputs, dataset, ...data }).metrics }
      }
      return found
    } finally {
      await session.release()
    }
  } finally {
    await step.release()
  }
}
