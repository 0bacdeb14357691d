/** Scores an exported model on a split and writes the report: one HTML file, and the numbers as JSON. */

import type { Bundle } from '../bundle/bundle.ts'
import type { EpochEvent, TrainEvent } from '../contract/events.ts'
import { QuernError } from '../core/errors.ts'
import type { BlobStore } from '../core/ports.ts'
import { type Dataset, exampleData } from '../data/dataset.ts'
import type { SplitName } from '../data/source.ts'
import { renderReport } from '../evaluate/html.ts'
import { type EpochRecord, metricsFileFrom, type Report, type ReportInput } from '../evaluate/report-input.ts'
import type { Task, TaskData } from '../tasks/task.ts'
import { type OpenedModel, openModel } from './open-model.ts'
import { sessionOptions } from './project.ts'
import { scoreDataset } from './score-dataset.ts'
import type { Project, Services } from './services.ts'

export interface EvaluateInput {
  /** run id, 'latest', or path of a bundle */
  readonly model: string
  readonly split: SplitName
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

export interface Evaluation {
  readonly report: Report
  /** metrics of the simple models that were trained beside it, on this split */
  readonly baselines: NonNullable<ReportInput['baselines']>
  /** where the report was written, from the project's root */
  readonly files: { readonly html: string; readonly json: string }
}

/** Loads the project's data and evaluates the model on one split of it. */
export async function evaluateModel(services: Services, given: Project, input: EvaluateInput): Promise<Evaluation> {
  const model = await openModel(services, input.model, sessionOptions(given.config))
  const project = likeTraining(given, model.bundle)
  const { task, config, root } = project
  try {
    const data = await task.load(config, { root, cache: services.cache, signal: input.signal })
    const run = model.run === undefined ? undefined : await services.runs.open(model.run)
    const history = run ? historyFrom(await run.events()) : []
    const folder = model.run === undefined ? 'reports' : `runs/${model.run}`
    const files = run ? run.files : services.folder(`${root}/.quern/reports`)
    return await evaluateAndReport(services, {
      ...input,
      project,
      model,
      data,
      history,
      files,
      folder: `.quern/${folder}`,
    })
  } finally {
    await model.pipeline.release()
  }
}

/** A model that started from another took over what that one asks of the data: the configuration need not repeat it. */
function likeTraining(project: Project, { manifest }: Bundle): Project {
  const { task, config } = project
  const hasBase = manifest.task === task.name && manifest.lineage.config.from !== undefined
  return hasBase && task.adopted ? { ...project, config: task.adopted(config, manifest) } : project
}

/** Evaluates an opened model and writes `report.html` and `metrics.json`. */
export async function evaluateAndReport(
  services: Services,
  input: Pick<EvaluateInput, 'split' | 'signal' | 'onProgress'> & {
    readonly project: Project
    readonly model: OpenedModel
    readonly data: TaskData
    readonly history: readonly EpochRecord[]
    readonly files: BlobStore
    /** where `files` is, for messages */
    readonly folder: string
  },
): Promise<Evaluation> {
  const { model, data, split, files, folder } = input
  const { task } = input.project
  const dataset = splitOf(task, data, split, model.bundle)
  const outputs = await scoreDataset(model.pipeline, dataset, input)
  const report = task.report({ outputs, dataset, ...data })
  const described = await describe(services, input, dataset, report)
  const text = new TextEncoder()
  await files.write('metrics.json', text.encode(`${JSON.stringify(metricsFileFrom(described), null, 2)}\n`))
  await files.write('report.html', text.encode(renderReport(described)))
  const written = { html: `${folder}/report.html`, json: `${folder}/metrics.json` }
  return { report, baselines: described.baselines ?? {}, files: written }
}

/** Epoch events as the report draws them. */
export function historyFrom(events: readonly TrainEvent[]): EpochRecord[] {
  return events
    .filter((event): event is EpochEvent => event.type === 'epoch')
    .map(({ epoch, train: { loss, ...metrics }, validation, learningRate, seconds }) => {
      const { loss: validationLoss, ...validationMetrics } = validation ?? {}
      const seen = validationLoss === undefined ? {} : { validationLoss, validationMetrics }
      return { epoch, loss: loss!, metrics, ...seen, learningRate, seconds }
    })
}

function splitOf(task: Task, data: TaskData, split: SplitName, { manifest, what }: Bundle): Dataset {
  if (manifest.task !== task.name) {
    throw new QuernError('input', `${what} is a model for ${manifest.task}, the project is for ${task.name}`)
  }
  if (manifest.labels.join('\n') !== data.labels.join('\n')) {
    throw new QuernError(
      'input',
      `${what} knows the classes ${manifest.labels.join(', ')}; the data has ${data.labels.join(', ')}`,
      {
        hint: 'Evaluate a model on the kind of data that it was trained on.',
      },
    )
  }
  task.checkPreprocessing(data, manifest, what)
  const dataset = data.splits[split]
  if (dataset) return dataset
  throw new QuernError('missing', `the data has no ${split} split: it has ${Object.keys(data.splits).join(', ')}`, {
    hint: `Set data.split.${split} in the configuration, or evaluate another split with --split.`,
  })
}

async function describe(
  services: Services,
  { project, model, data, history, split }: Parameters<typeof evaluateAndReport>[1],
  dataset: Dataset,
  report: Report,
): Promise<ReportInput> {
  const { lineage, versions, task, preprocessing, name, baselines = {} } = model.bundle.manifest
  const thumbnails = new Map<string, string>()
  const { pictures } = project.task
  for (const { id, index } of pictures === undefined || report.kind !== 'classification' ? [] : report.worstMistakes) {
    const png = await services.encodePng(exampleData(dataset, pictures!, index))
    thumbnails.set(id, `data:image/png;base64,${base64(png)}`)
  }
  const { train } = project.config
  const configured = lineage.config.model
  return {
    title: `${name}: ${split} report`,
    provenance: {
      task,
      model: modelName(configured),
      data: String((lineage.config.data as { source?: unknown } | undefined)?.source ?? ''),
      split,
      trainingExamples: data.splits.train.length,
      seed: lineage.seed,
      date: new Date(services.clock.now()).toISOString(),
      versions,
      run: lineage.run,
      more: { 'batch size': String(train.batchSize), 'data sha256': lineage.data.sha256.slice(0, 16) },
    },
    report,
    history,
    ...(lineage.bestEpoch < lineage.epochs ? { bestEpoch: lineage.bestEpoch } : {}),
    ...(data.report.cleaned ? { cleaned: data.report.cleaned } : {}),
    thumbnails,
    pixelated: preprocessing.kind === 'image' && preprocessing.height < 100,
    baselines: Object.fromEntries(
      Object.entries(baselines).flatMap(([baseline, splits]) => (splits[split] ? [[baseline, splits[split]]] : [])),
    ),
  }
}

function modelName(configured: unknown): string {
  if (typeof configured === 'string') return configured
  const { name, kind } = (configured ?? {}) as { name?: unknown; kind?: unknown }
  return kind === undefined && typeof name === 'string' ? name : 'own layers'
}

function base64(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text)
}
