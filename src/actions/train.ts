/** Trains a project's model: data, loop, bundle, report. Everything is kept in a run; an interrupted one can be resumed. */

import { writeBundle } from '../bundle/bundle.ts'
import { exportGraph } from '../bundle/export-graph.ts'
import type { TrainEvent } from '../contract/events.ts'
import { messageOf, QuernError } from '../core/errors.ts'
import { sha256OfText } from '../core/hash.ts'
import { createRandom } from '../core/random.ts'
import { formatShape } from '../core/shape.ts'
import { digestDatasets } from '../data/digest.ts'
import type { SourceReport } from '../data/source.ts'
import { shapeOf } from '../graph/graph.ts'
import { trace } from '../nn/index.ts'
import { gradientRules } from '../optim/update.ts'
import type { SessionOptions } from '../runtime/backend.ts'
import type { Run } from '../store/runs.ts'
import type { TaskConfig, TaskData, TaskNetwork } from '../tasks/task.ts'
import type { CheckpointKind, CheckpointStore } from '../train/checkpoint.ts'
import type { Network } from '../train/graphs.ts'
import { runLoop } from '../train/loop.ts'
import { classificationScorer } from '../train/scores.ts'
import { createTrainingStep, type TrainingStep } from '../train/step.ts'
import { evaluateAndReport, historyFrom } from './evaluate.ts'
import { openModel, under } from './open-model.ts'
import { optimization, resolvedConfig } from './project.ts'
import type { Project, Services } from './services.ts'

export interface TrainInput {
  /** id of an interrupted run, or 'latest' */
  readonly resume?: string | undefined
  /** stops after the step that is going on, with a checkpoint */
  readonly signal?: AbortSignal | undefined
  /** tells how many pictures were read so far */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

export type TrainProgress =
  | TrainEvent
  | {
      readonly type: 'data'
      readonly report: SourceReport
      readonly examples: Readonly<Record<string, number>>
      readonly labels: readonly string[]
    }
  | { readonly type: 'run'; readonly id: string; readonly folder: string }

export interface TrainResult {
  readonly run: string
  readonly state: 'finished' | 'interrupted'
  /** folder of the bundle, from the project's root; undefined for an interrupted run */
  readonly bundle: string | undefined
  /** scores of the exported model by split */
  readonly scores: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** from the project's root */
  readonly report: string | undefined
}

/** Yields the events of the run; returns where the results are. */
export async function* trainModel(
  services: Services,
  project: Project,
  input: TrainInput = {},
): AsyncGenerator<TrainProgress, TrainResult> {
  const { task, config, root } = project
  const { signal, onProgress } = input
  const resumed = input.resume === undefined ? undefined : await resumable(services, input.resume)
  const data = await task.load(config, { root, cache: services.cache, signal, onProgress })
  const examples = Object.fromEntries(Object.entries(data.splits).map(([split, { length }]) => [split, length]))
  yield { type: 'data', report: data.report, examples, labels: data.labels }

  const resolved = resolvedConfig(project)
  const digest = await digestDatasets(data.splits)
  const described = task.network(config, data)
  const network: Network = { ...described, table: services.table }
  checkOutput(network, data)
  const step = await createStep(services, config, network)
  try {
    const run = resumed ?? (await newRun(services, project, resolved))
    yield { type: 'run', id: run.id, folder: `.quern/runs/${run.id}` }
    const work = async function* (): AsyncGenerator<TrainEvent, TrainResult> {
      const done = yield* loop(services, project, {
        data,
        step,
        run,
        input,
        fingerprint: await fingerprint(resolved, digest),
      })
      if (done.reason === 'interrupted') return interrupted(run)
      return finish(services, project, { data, step, run, described, resolved, digest, done, signal })
    }
    return yield* settled(run, work(), signal)
  } finally {
    await step.release()
  }
}

/** The run to go on with. Checked before the data is read, which may take minutes. */
async function resumable(services: Services, name: string): Promise<Run> {
  const run = await services.runs.open(name)
  const { state, process } = await run.status()
  if (state === 'running') {
    const who = process ? ` (process ${process.pid} on ${process.host})` : ''
    throw new QuernError('input', `run ${run.id} is running${who}: two processes cannot train the same run`, {
      hint: 'Wait for it, or stop it first.',
    })
  }
  if (await hasCheckpoint(run)) return run
  throw new QuernError('missing', `run ${run.id} has no checkpoint to go on from: it is ${state}`, {
    hint: 'Start a new run: quern train',
  })
}

function interrupted({ id }: Run): TrainResult {
  return { run: id, state: 'interrupted', bundle: undefined, scores: {}, report: undefined }
}

/**
 * The events of a run, whose state says in the end how it ended, however that was: also when the consumer stops listening. What
 * fails before the first event has changed nothing, so a run that could not be resumed stays as it was.
 */
async function* settled(
  run: Run,
  events: AsyncGenerator<TrainEvent, TrainResult>,
  signal: AbortSignal | undefined,
): AsyncGenerator<TrainEvent, TrainResult> {
  let begun = false
  let end: Parameters<Run['update']>[0] = { state: 'interrupted' }
  try {
    for (;;) {
      const next = await events.next()
      if (next.done) {
        const { state, scores } = next.value
        end = state === 'finished' ? { state, scores: scores.validation ?? scores.test ?? {} } : { state }
        return next.value
      }
      // The reason of an earlier failure is no longer true.
      if (!begun) await run.update({ state: 'running', ...({ error: undefined } as object) })
      begun = true
      yield next.value
    }
  } catch (error) {
    // An abort while results are written: the last checkpoint is whole, so resuming writes them again.
    if (signal?.aborted && error === signal.reason) return interrupted(run)
    end = { state: 'failed', error: messageOf(error) }
    throw error
  } finally {
    // A disk that is full refuses the status too: the error that matters is the first one.
    const isOwn = begun || !(await hasCheckpoint(run).catch(() => false))
    if (isOwn) await run.update(end).catch(() => undefined)
  }
}

/** A model of the user's own may end in another number of outputs than there are classes. */
function checkOutput({ model, inputs, table }: Network, { labels }: TaskData): void {
  const one = inputs.map(({ name, dtype, shape }) => ({ name, type: { dtype, shape: [1, ...shape] } }))
  const shape = shapeOf(trace(model, one, { table, training: false }).output)
  if (shape.length === 2 && shape[1] === labels.length) return
  throw new QuernError(
    'config',
    `the model must answer [batch, ${labels.length}], one number for each class; its output is ${formatShape(['batch', ...shape.slice(1)])}`,
    {
      hint: `End it with dense({ units: ${labels.length}, activation: 'softmax' }). Classes: ${labels.join(', ')}.`,
    },
  )
}

/** Device and threads as the configuration asks. */
function sessionOptions({ device, threads }: TaskConfig): SessionOptions {
  return { device, ...(threads === undefined ? {} : { threads }) }
}

function createStep(services: Services, config: TaskConfig, network: Network): Promise<TrainingStep> {
  const { l1, l2, clipNorm = 0, clipValue = 0, batchSize } = config.train
  return createTrainingStep({
    network,
    optimizer: optimization(config).optimizer,
    backend: services.backend,
    session: sessionOptions(config),
    random: createRandom(config.seed),
    batchSize,
    rules: gradientRules({ l1, l2, clipNorm, clipValue }),
  })
}

function newRun(services: Services, { name, task }: Project, config: unknown): Promise<Run> {
  return services.runs.create({ name, task: task.name, config, environment: services.versions })
}

/** What must be equal for a resumed run to be the same run: configuration and data, not the machine. */
function fingerprint(resolved: Record<string, unknown>, digest: string): Promise<string> {
  const { device, threads, ...rest } = resolved
  return sha256OfText(JSON.stringify([rest, digest]))
}

type Done = Extract<TrainEvent, { type: 'done' }>

async function* loop(
  services: Services,
  { task, config }: Project,
  of: { data: TaskData; step: TrainingStep; run: Run; input: TrainInput; fingerprint: string },
): AsyncGenerator<TrainEvent, Done> {
  const { data, step, run, input } = of
  const { train } = config
  const events = runLoop({
    step,
    train: data.splits.train,
    validation: data.splits.validation,
    target: 'label',
    epochs: train.epochs,
    batchSize: train.batchSize,
    schedule: optimization(config).schedule,
    scorer: () => classificationScorer(config.metrics),
    random: createRandom(config.seed),
    augment: task.augment(config),
    monitor: train.monitor,
    earlyStopping: train.earlyStopping === false ? undefined : train.earlyStopping,
    checkpoints: checkpointsOf(run),
    clock: services.clock,
    device: config.device,
    fingerprint: of.fingerprint,
    resume: input.resume !== undefined,
    signal: input.signal,
  })
  let done: Done | undefined
  for await (const event of events) {
    await run.record(event)
    if (event.type === 'epoch') await run.update({ state: 'running', epochs: event.epoch, step: event.step })
    if (event.type === 'done') done = event
    yield event
  }
  return done!
}

const checkpointKey = (kind: CheckpointKind): string => `checkpoints/${kind}.safetensors`

function hasCheckpoint({ files }: Run): Promise<boolean> {
  return files.exists(checkpointKey('last'))
}

function checkpointsOf({ files }: Run): CheckpointStore {
  return {
    write: (kind, bytes) => files.write(checkpointKey(kind), bytes),
    read: async (kind) => ((await files.exists(checkpointKey(kind))) ? files.read(checkpointKey(kind)) : undefined),
  }
}

/** Exports the best parameters, scores what was exported, and writes bundle and report. */
async function finish(
  services: Services,
  project: Project,
  of: {
    data: TaskData
    step: TrainingStep
    run: Run
    described: TaskNetwork
    resolved: Record<string, unknown>
    digest: string
    done: Done
    signal: AbortSignal | undefined
  },
): Promise<TrainResult> {
  const { data, step, run, described, resolved, digest, done } = of
  const { name, task, config } = project
  const { model, inputs, output } = described
  const bytes = exportGraph({ model, inputs, output, parameters: step.parameters, table: services.table, name })
  const batch = 'batch'
  const manifest = {
    format: 1 as const,
    task: task.name,
    name,
    created: new Date(services.clock.now()).toISOString(),
    inputs: inputs.map((input) => ({ name: input.name, dtype: input.dtype, shape: [batch, ...input.shape] })),
    outputs: [{ name: output, dtype: 'float32', shape: [batch, data.labels.length] }],
    preprocessing: data.preprocessing,
    labels: [...data.labels],
    metrics: {} as Record<string, Record<string, number>>,
    lineage: {
      run: run.id,
      seed: config.seed,
      config: resolved,
      data: {
        examples: Object.fromEntries(Object.entries(data.splits).map(([split, { length }]) => [split, length])),
        sha256: digest,
      },
      epochs: done.epochs,
      bestEpoch: done.bestEpoch,
      seconds: done.seconds,
    },
    versions: { ...services.versions },
  }
  const files = under(run.files, 'bundle/')
  await writeBundle(files, { model: bytes, manifest })
  const opened = await openModel(services, run.id, sessionOptions(config))
  try {
    const history = historyFrom(await run.events())
    const folder = `.quern/runs/${run.id}`
    let report: string | undefined
    // The test split last: it is what report.html shows when there is one.
    for (const split of ['validation', 'test'] as const) {
      if (!data.splits[split]) continue
      const made = await evaluateAndReport(services, {
        project,
        model: opened,
        data,
        split,
        history,
        files: run.files,
        folder,
        signal: of.signal,
      })
      manifest.metrics[split] = { ...made.report.metrics }
      report = made.files.html
    }
    await writeBundle(files, { model: bytes, manifest })
    return { run: run.id, state: 'finished', bundle: `${folder}/bundle`, scores: manifest.metrics, report }
  } finally {
    await opened.pipeline.release()
  }
}
