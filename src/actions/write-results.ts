/** What a run leaves behind: the bundle of its best parameters, scored as it will be used, and the report. */
import { writeBundle } from '../bundle/bundle.ts'
import { exportGraph } from '../bundle/export-graph.ts'
import type { DoneEvent } from '../contract/events.ts'
import type { Manifest } from '../contract/manifest.ts'
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

export interface TrainResult {
  readonly run: string
  readonly state: 'finished' | 'interrupted'
  /** folder of the bundle, from the project's root; undefined for an interrupted run */
  readonly bundle: string | undefined
  /** scores of the exported model by split */
  readonly scores: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** of simple models that were trained beside it, by their names and splits */
  readonly baselines?: Manifest['baselines']
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
  const bytes = exportGraph({
    model,
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
    if (of.oldTask) manifest.metrics['old task'] = await of.oldTask.forgetting(step.parameters)
    const profile = await profileTraining(opened.pipeline, data.splits.train, of.signal)
    await writeBundle(files, { model: bytes, manifest, profile })
    const { metrics: scores, baselines } = manifest
    return { run: run.id, state: 'finished', bundle: `${folder}/bundle`, scores, baselines, report }
  } finally {
    await opened.pipeline.release()
  }
}
