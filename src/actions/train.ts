/** Trains a project's model: data, loop, bundle, report. Everything is kept in a run; an interrupted one can be resumed. */
import type { DoneEvent, TrainEvent } from '../contract/events.ts'
import { sha256OfText } from '../core/hash.ts'
import { createRandom } from '../core/random.ts'
import { digestDatasets } from '../data/digest.ts'
import type { SourceReport } from '../data/source.ts'
import type { Run } from '../store/runs.ts'
import { epochSampler } from '../tasks/class-loss.ts'
import type { TaskData, TaskStart } from '../tasks/task.ts'
import { runLoop } from '../train/loop.ts'
import { networkDigest } from '../train/network-digest.ts'
import type { TrainingStep } from '../train/step.ts'
import { checkOutputs } from './check-outputs.ts'
import { createStep, networkFrom } from './create-step.ts'
import { oldTaskOf } from './forgetting.ts'
import { checkpointsOf, interrupted, resumable, settled } from './keep-run.ts'
import { optimization, resolvedConfig } from './project.ts'
import type { Project, Services } from './services.ts'
import {
  type BaseEvent,
  baseEvent,
  type FromChoice,
  fewExamples,
  keepFeatures,
  normalizedBase,
  verifyStart,
  withBase,
} from './start-from.ts'
import { adapterMethod, adapterSize } from './trained-adapter.ts'
import { type TrainResult, writeResults } from './write-results.ts'

export interface TrainInput extends FromChoice {
  /** id of an interrupted run, or 'latest' */
  readonly resume?: string | undefined
  /** stops after the step that is going on, with a checkpoint */
  readonly signal?: AbortSignal | undefined
  /** tells how many pictures were read so far */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

export type TrainProgress =
  | TrainEvent
  | BaseEvent
  | {
      readonly type: 'data'
      readonly report: SourceReport
      readonly examples: Readonly<Record<string, number>>
      readonly labels: readonly string[]
      /** until the data was read, divided and encoded */
      readonly seconds: number
    }
  | { readonly type: 'run'; readonly id: string; readonly folder: string }

export type { TrainResult }

/** Yields the events of the run; returns where the results are. */
export async function* trainModel(
  services: Services,
  given: Project,
  input: TrainInput = {},
): AsyncGenerator<TrainProgress, TrainResult> {
  const { signal, onProgress } = input
  const resumed = input.resume === undefined ? undefined : await resumable(services, input.resume)
  const { project, base: untouched } = await withBase(services, given, input)
  const { task, config, root } = project
  const begun = services.clock.now()
  const data = await task.load(config, { root, cache: services.cache, signal, onProgress })
  const examples = Object.fromEntries(Object.entries(data.splits).map(([split, { length }]) => [split, length]))
  yield {
    type: 'data',
    report: data.report,
    examples,
    labels: data.labels,
    seconds: (services.clock.now() - begun) / 1000,
  }

  const resolved = {
    ...resolvedConfig(project),
    ...(untouched ? { from: { ...config.from, sha256: untouched.hash } } : {}),
  }
  const digest = await digestDatasets(data.splits)
  const base = untouched && (await normalizedBase(services, project, untouched, data))
  const described = task.network(config, data, base)
  checkOutputs(described, services.table, base?.name)
  const { start, model, inputs } = described
  const oldTask = base && (await oldTaskOf(services, project, { base, described, signal }))
  const kept = start && (await keepFeatures(services, project, { model, inputs, splits: data.splits, signal }))
  const trained = networkFrom({ ...described, ...kept?.network }, services.table)
  if (task.augment(config)?.config) services.warmBatches?.()
  const step = await createStep(services, config, trained, { groups: start?.groups, data })
  try {
    const shown = fewExamples(
      data.splits.train,
      inputs.map(({ name }) => name),
    )
    if (base && start) {
      const difference = await verifyStart(services, base, { start, examples: shown, parameters: step.parameters })
      yield baseEvent(base, start, difference, { kept, adapter: adapterOf(config, start) })
    }
    const run = resumed ?? (await newRun(services, project, resolved))
    const work = async function* (): AsyncGenerator<TrainProgress, TrainResult> {
      await writeData(run, { report: data.report, examples })
      yield { type: 'run', id: run.id, folder: `.quern/runs/${run.id}` }
      const done = yield* loop(services, project, {
        data: kept ? { ...data, splits: { ...data.splits, ...kept.datasets } } : data,
        step,
        run,
        input,
        target: described.target.name,
        fingerprint: await fingerprint(resolved, digest, await networkDigest(trained, step.partSize)),
      })
      if (done.reason === 'interrupted') return interrupted(run)
      return writeResults(services, project, {
        data,
        step,
        run,
        described,
        resolved,
        digest,
        done,
        base,
        oldTask,
        signal,
      })
    }
    return yield* settled(run, work(), signal)
  } finally {
    await step.release()
  }
}

function adapterOf({ from }: Project['config'], { base }: TaskStart) {
  return from?.adapter && adapterSize(base, adapterMethod(from.adapter))
}

/** What was read: broken and left out examples, and what each cleaning rule did. */
async function writeData({ files }: Run, data: object): Promise<void> {
  await files.write('data.json', new TextEncoder().encode(`${JSON.stringify(data, null, 2)}\n`))
}

function newRun(services: Services, { name, task }: Project, config: unknown): Promise<Run> {
  return services.runs.create({ name, task: task.name, config, environment: services.versions })
}

/** What must be equal for a resumed run to be the same run: configuration, data and network, not the machine. */
function fingerprint(resolved: Record<string, unknown>, ...digests: readonly string[]): Promise<string> {
  const { device, threads, ...rest } = resolved
  return sha256OfText(JSON.stringify([rest, ...digests]))
}

async function* loop(
  services: Services,
  { task, config }: Project,
  of: { data: TaskData; step: TrainingStep; run: Run; input: TrainInput; target: string; fingerprint: string },
): AsyncGenerator<TrainEvent, DoneEvent> {
  const { data, step, run, input } = of
  const { train } = config
  const { schedule, swa } = optimization(config)
  const events = runLoop({
    step,
    train: data.splits.train,
    validation: data.splits.validation,
    target: of.target,
    epochs: train.epochs,
    batchSize: train.batchSize,
    schedule,
    swa,
    scorer: () => task.scorer(config),
    random: createRandom(config.seed),
    sampler: epochSampler(train, data.splits.train),
    augment: task.augment(config),
    batches: services.batches,
    monitor: train.monitor,
    earlyStopping: train.earlyStopping === false ? undefined : train.earlyStopping,
    checkpoints: checkpointsOf(run),
    clock: services.clock,
    device: config.device,
    fingerprint: of.fingerprint,
    resume: input.resume !== undefined,
    signal: input.signal,
  })
  let done: DoneEvent | undefined
  for await (const event of events) {
    await run.record(event)
    if (event.type === 'epoch') await run.update({ state: 'running', epochs: event.epoch, step: event.step })
    if (event.type === 'done') done = event
    yield event
  }
  return done!
}
