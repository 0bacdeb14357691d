/** What a run leaves behind: the bundle of its best parameters, scored as it will be used, and the report. */
import { type Adapter, writePeft } from '../adapters/index.ts'
import { writeBundle } from '../bundle/bundle.ts'
import { exportGraph } from '../bundle/export-graph.ts'
import type { DoneEvent } from '../contract/events.ts'
import type { Manifest } from '../contract/manifest.ts'
import type { BlobStore } from '../core/ports.ts'
import type { Graph } from '../graph/graph.ts'
import type { Layer } from '../nn/index.ts'
import type { Run } from '../store/runs.ts'
import type { TaskData, TaskNetwork } from '../tasks/task.ts'
import type { TrainingStep } from '../train/step.ts'
import type { BaseModel } from './base-model.ts'
import { evaluateAndReport, historyFrom } from './evaluate.ts'
import type { OldTask } from './forgetting.ts'
import { openModel, under } from './open-model.ts'
import { profileTraining } from './profile-training.ts'
import { sessionOptions } from './project.ts'
import type { Project, Services } from './services.ts'
import { fewExamples, verifyExport } from './start-from.ts'
import { trainBaselines } from './train-baselines.ts'
import { adapterFolder, adapterMethod, mergedBase, mergedLayer, trainedAdapter } from './trained-adapter.ts'

export interface TrainResult {
  readonly run: string
  readonly state: 'finished' | 'interrupted'
  /** folder of the bundle, from the project's root; undefined for an interrupted run */
  readonly bundle: string | undefined
  /** scores of the exported model by split */
  readonly scores: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** of simple models that were trained beside it, by their names and splits */
  readonly baselines?: Manifest['baselines']
  /** what was trained beside the base's weights: PEFT's files in a folder of the run, and whether the model's weights have taken it up or why they cannot */
  readonly adapter?: { readonly folder: string; readonly merged: true | string }
  /** from the project's root */
  readonly report: string | undefined
}

/** Exports the best parameters, scores what was exported, and writes bundle and report. */
export async function writeResults(
  services: Services,
  project: Project,
  of: {
    data: TaskData
    step: TrainingStep
    run: Run
    described: TaskNetwork
    resolved: Record<string, unknown>
    digest: string
    done: DoneEvent
    base: BaseModel | undefined
    oldTask: OldTask | undefined
    signal: AbortSignal | undefined
  },
): Promise<TrainResult> {
  const { data, step, run, described, resolved, digest, done, base } = of
  const { name, task, config } = project
  const { model, inputs, outputs } = described
  const version = services.versions.quern ?? ''
  const tuned = await adapterOf(config, described, step)
  const bytes = exportGraph({
    model: tuned && 'graph' in tuned.merged ? withAround(project, of, mergedLayer(tuned.merged.graph)) : model,
    inputs,
    output: outputs[0].name,
    parameters: step.parameters,
    table: services.table,
    name,
    version,
  })
  if (base) {
    const names = inputs.map((input) => input.name)
    const examples = fewExamples(data.splits.train, names)
    await verifyExport(services, bytes, { model, examples, parameters: step.parameters })
  }
  const manifest: Omit<Manifest, 'files'> = {
    format: 1,
    task: task.name,
    name,
    created: new Date(services.clock.now()).toISOString(),
    inputs: inputs.map((input) => ({ name: input.name, dtype: input.dtype, shape: ['batch', ...input.shape] })),
    outputs: outputs.map((each) => ({ name: each.name, dtype: 'float32', shape: ['batch', ...each.shape] })),
    preprocessing: data.preprocessing,
    labels: [...data.labels],
    metrics: {},
    ...(await trainBaselines(services, project, data)),
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
  if (tuned && base) await writeAdapter(under(run.files, adapterFolder), tuned, base.name)
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
    if (of.oldTask) manifest.metrics['old task'] = await of.oldTask.forgetting(step.parameters, tuned?.adapter)
    const profile = await profileTraining(opened.pipeline, data.splits.train, of.signal)
    await writeBundle(files, { model: bytes, manifest, profile })
    const { metrics: scores, baselines } = manifest
    const adapter = tuned && {
      folder: `${folder}/${adapterFolder.slice(0, -1)}`,
      merged: 'graph' in tuned.merged || tuned.merged.refusal.message,
    }
    const result = { run: run.id, state: 'finished', bundle: `${folder}/bundle`, scores, baselines, report } as const
    return adapter ? { ...result, adapter } : result
  } finally {
    await opened.pipeline.release()
  }
}

interface TunedAdapter {
  readonly adapter: Adapter
  readonly graph: Graph
  readonly merged: Awaited<ReturnType<typeof mergedBase>>
}

async function adapterOf(
  { from }: Project['config'],
  { start }: TaskNetwork,
  { parameters }: TrainingStep,
): Promise<TunedAdapter | undefined> {
  if (!from?.adapter || !start) return undefined
  const { graph } = start.base
  const adapter = await trainedAdapter(graph, adapterMethod(from.adapter), parameters)
  return { adapter, graph, merged: await mergedBase(graph, adapter) }
}

/** The model of a task with something else in the place of its base. */
function withAround(
  { task, config }: Project,
  { data, base }: { data: TaskData; base: BaseModel | undefined },
  around: NonNullable<BaseModel['around']>,
): Layer {
  return task.network(config, data, base && { ...base, around }).model
}

async function writeAdapter(files: BlobStore, { adapter, graph }: TunedAdapter, name: string): Promise<void> {
  for (const [file, bytes] of Object.entries(writePeft(graph, adapter, name))) await files.write(file, bytes)
}
