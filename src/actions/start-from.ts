/** Training that starts from another model: it is opened, checked against its file before the first step, and after the last one. */
import { placedSites } from '../adapters/write.ts'
import { fromSection } from '../contract/from.ts'
import { parseWith } from '../contract/parse.ts'
import { messageOf, QuernError } from '../core/errors.ts'
import { exactly } from '../core/patterns.ts'
import type { Tensor } from '../core/tensor.ts'
import { copyOfExamples, type Dataset } from '../data/dataset.ts'
import { countImported, importedModel, type Layer } from '../nn/index.ts'
import { checkFinite } from '../onnx/check-finite.ts'
import type { TaskData, TaskNetwork, TaskStart } from '../tasks/task.ts'
import { cacheFeatures, featureBytes } from '../train/feature-cache.ts'
import { frozenPrefix } from '../train/frozen-prefix.ts'
import type { ColumnSpec } from '../train/network.ts'
import { type BaseModel, largeWeights, openBase } from './base-model.ts'
import { baseParameters } from './base-parameters.ts'
import { answersOf, answersOfFile, compareAnswers, probeInput } from './compare-answers.ts'
import { sessionOptions } from './project.ts'
import { restoredBase, restoringExamples } from './restored-base.ts'
import type { Project, Services } from './services.ts'
import { type AdapterSize, adaptedBase, adapterMethod } from './trained-adapter.ts'

/** What training starts from, said before the first step. */
export interface BaseEvent {
  readonly type: 'base'
  readonly name: string
  readonly sha256: string
  /** elements of its weights, and how many of them are trained */
  readonly parameters: number
  readonly trained: number
  /** value behind which the head stands */
  readonly output: string
  /** what is trained beside its weights */
  readonly adapter?: AdapterSize
  /** largest difference to the untouched file, as a share of the largest output */
  readonly difference: number
  /** what the frozen part makes of the data, where it is kept */
  readonly features?: { readonly bytes: number; readonly found: boolean; readonly seconds: number }
}

/** What a user chose for this time, in the place of the configuration's. */
export interface FromChoice {
  /** the model to start from: an absolute path, or a run */
  readonly from?: string | undefined
  /** a method by name, whose settings are those of `from.adapter` where that names the same */
  readonly adapter?: string | undefined
}

/** The project with another base, or another adapter, than its configuration says. */
function startingFrom(project: Project, { from: model, adapter }: FromChoice): Project {
  const { from: given } = project.config
  if (model === undefined && adapter === undefined) return project
  if (model === undefined && !given) {
    throw new QuernError('config', '--adapter trains beside the weights of a model, and none is named to start from', {
      hint: "Add --from MODEL, or 'from' to the configuration.",
    })
  }
  const chosen = adapter === undefined || given?.adapter?.method === adapter ? {} : { adapter }
  const from = parseWith(
    fromSection,
    { ...given, ...(model === undefined ? {} : { model }), ...chosen },
    adapter === undefined ? '--from' : '--from and --adapter',
  )
  return { ...project, config: { ...project.config, from } }
}

/** The project with what its base asks for, and the base; the project as it is when it has none. */
export async function withBase(
  services: Services,
  given: Project,
  choice: FromChoice = {},
): Promise<{ project: Project; base: BaseModel | undefined }> {
  const { task } = given
  const isAsked = [given.config.from, choice.from, choice.adapter].some((each) => each !== undefined)
  if (isAsked && !task.adopt) {
    throw new QuernError(
      'unsupported',
      `${task.name} does not start from another model: what a table's network computes with is fitted to the rows of its own table`,
      {
        hint: "Leave out 'from', --from and --adapter. From code, fineTune(model, { x, y }) of quern/nn trains any model on numbers.",
      },
    )
  }
  const project = startingFrom(given, choice)
  const { config, root } = project
  if (!config.from || !task.adopt) return { project, base: undefined }
  const opened = await openBase(services, await placeOf(services, config.from.model, root), { probeFrom: largeWeights })
  const method = config.from.adapter && adapterMethod(config.from.adapter)
  // Patterns that mean nothing are said before the data is read.
  if (method) placedSites(opened.graph.nodes, method)
  const base = method ? { ...opened, around: adaptedBase(method) } : opened
  return { project: { ...project, config: task.adopt(config, base) }, base }
}

/** The base with its folded normalisation put back, where the configuration asks for that. */
export async function normalizedBase(
  services: Pick<Services, 'backend' | 'table'>,
  { task, config }: Project,
  base: BaseModel,
  data: TaskData,
): Promise<BaseModel> {
  const { restoreNormalization: wanted = false } = config.from ?? {}
  if (wanted === false) return base
  const { start, inputs } = task.network(config, data, base)
  const names = inputs.map(({ name }) => name)
  const examples = fewExamples(data.splits.train, names, restoringExamples)
  return restoredBase(services, base, { wanted, examples, prepare: start?.prepare })
}

/** A path of the configuration starts at the project's root; what is no path there is the name of a run. */
async function placeOf(services: Services, name: string, root: string): Promise<string> {
  const isAbsolute = /^([\\/]|[A-Za-z]:)/.test(name)
  if (isAbsolute) return name
  const inside = `${root}/${name.replace(/^\.\//, '')}`
  if (/[\\/]|\.(onnx|zip)$/.test(name)) return inside
  const folder = services.folder(inside)
  const isFolder = (await folder.exists('config.json')) || (await folder.exists('quern.json'))
  return isFolder ? inside : name
}

/** A few examples of a dataset, as columns `[count, ...]`. */
export function fewExamples(dataset: Dataset, names: readonly string[], most = 4): Readonly<Record<string, Tensor>> {
  const count = Math.min(most, dataset.length)
  return copyOfExamples(
    dataset,
    names,
    Int32Array.from({ length: count }, (_, i) => i),
  ).columns
}

/**
 * Compares what will be trained, with its weights as they are in the step's memory, with the file: at all outputs of the file, on the same examples, or on the made-up
 * inputs that a large file was run with when it was opened.
 *
 * @throws QuernError 'numeric' when they differ by more than rounding
 * @returns the largest difference
 */
export async function verifyStart(
  services: Pick<Services, 'backend' | 'table'>,
  base: BaseModel,
  of: {
    readonly start: Pick<TaskStart, 'base' | 'prepare'>
    /** raw columns; undefined: made-up inputs */
    readonly examples: Readonly<Record<string, Tensor>> | undefined
    readonly parameters: ReadonlyMap<string, Tensor>
  },
): Promise<number> {
  const { backend, table } = services
  const { graph } = base
  const { prepare } = of.start
  const { trained } = of.start.base
  const whole = importedModel(graph, {
    train: trained.size === 0 ? 'none' : [...trained].map(exactly),
    differentiable: false,
    table,
  })
  const { probed } = base
  const columns =
    !probed && of.examples && (prepare ? await answersOf(prepare, of.examples, services) : Object.values(of.examples))
  const examples = graph.inputs.map(({ name, type }, i) => {
    // A raw column may bear the name of an input that takes what is made of it.
    const given = (prepare ? undefined : of.examples?.[name]) ?? (columns || undefined)?.[i]
    const fitting = given && type?.shape?.[0] === 1 ? firstRow(given) : given
    return [name, fitting ?? probeInput({ dtype: type!.dtype, shape: type!.shape ?? [] })] as const
  })
  const inputs = probed?.inputs ?? Object.fromEntries(examples)
  const found = new Map([...baseParameters(of.parameters)].filter(([name]) => whole.trained.has(name)))
  const ours = await answersOf(whole, inputs, { backend, table, parameters: found })
  const theirs =
    probed?.outputs ??
    (await answersOfFile(await base.untouched(), inputs, backend).catch((cause) => {
      throw new QuernError(
        'unsupported',
        `${base.name} cannot be compared with what is trained, since the file itself does not run: ${messageOf(cause)}`,
        {
          hint: 'Export it for this device. From code, importedModel and fit() of quern/nn train it without the comparison.',
          cause,
        },
      )
    }))
  try {
    return compareAnswers(
      ours,
      theirs,
      ['the imported model', `the untouched file ${base.name}`],
      `Nothing was trained. ${report}`,
    )
  } catch (error) {
    // NaN is equal to nothing, itself included: where the weights hold it, they are to blame.
    checkFinite(graph, new Map())
    throw error
  }
}

function firstRow({ dtype, shape, data }: Tensor): Tensor {
  const size = data.length / shape[0]!
  return { dtype, shape: [1, ...shape.slice(1)], data: (data as Float32Array).slice(0, size) }
}

const report = 'Please report the model: quern inspect MODEL --json tells what is in it.'

/** The exported file against the parameters in memory, on the same examples. */
export async function verifyExport(
  services: Pick<Services, 'backend' | 'table'>,
  bytes: Uint8Array,
  of: { model: Layer; examples: Readonly<Record<string, Tensor>>; parameters: ReadonlyMap<string, Tensor> },
): Promise<number> {
  const { backend, table } = services
  const trained = await answersOf(of.model, of.examples, { backend, table, parameters: of.parameters })
  const exported = await answersOfFile(bytes, of.examples, backend)
  return compareAnswers(
    exported,
    trained,
    ['the exported model', 'the trained one'],
    `What was trained is not exported. ${report}`,
  )
}

/** Bytes of features that are kept in memory at most. */
const largestFeatures = 2 ** 30

/** What is trained in place of a network whose frozen part is computed once. */
export interface KeptFeatures {
  readonly network: Pick<TaskNetwork, 'model' | 'inputs'>
  readonly datasets: { readonly train: Dataset; readonly validation?: Dataset }
  readonly bytes: number
  readonly found: boolean
  readonly seconds: number
}

/**
 * Computes what the frozen part of a network makes of the data; undefined where nothing is frozen, pictures are changed at random, the configuration
 * says no, or the features would take more than 1 GiB.
 */
export async function keepFeatures(
  services: Services,
  { task, config }: Project,
  of: {
    readonly model: Layer
    readonly inputs: readonly ColumnSpec[]
    readonly splits: { readonly train: Dataset; readonly validation?: Dataset | undefined }
    readonly signal?: AbortSignal | undefined
  },
): Promise<KeptFeatures | undefined> {
  const { model, inputs, splits, signal } = of
  const { backend, table, cache: store, clock } = services
  if (config.from?.cacheFeatures !== true || task.augment(config)) return undefined
  const prefix = frozenPrefix(model, inputs, table)
  if (!prefix) return undefined
  const { train, validation } = splits
  if (featureBytes(prefix, train.length + (validation?.length ?? 0)) > largestFeatures) return undefined
  const begun = clock.now()
  const session = sessionOptions(config)
  const datasets: Record<string, Dataset> = { train, ...(validation ? { validation } : {}) }
  const kept = await cacheFeatures(datasets, { prefix, inputs, backend, session, store, signal })
  return {
    network: { model: prefix.suffix, inputs: prefix.features },
    datasets: { ...kept.datasets, train: kept.datasets.train! },
    ...{ bytes: kept.bytes, found: kept.found, seconds: (clock.now() - begun) / 1000 },
  }
}

/** What is said of a base before the first step. */
export function baseEvent(
  base: BaseModel,
  start: Pick<TaskStart, 'base' | 'output'>,
  difference: number,
  more: {
    readonly kept?: Pick<KeptFeatures, 'bytes' | 'found' | 'seconds'> | undefined
    readonly adapter?: AdapterSize | undefined
  },
): BaseEvent {
  const { kept, adapter } = more
  const { trained, all } = countImported(start.base)
  return {
    type: 'base',
    ...{ name: base.name, sha256: base.hash, parameters: all, trained, output: start.output, difference },
    ...(adapter ? { adapter } : {}),
    ...(kept ? { features: { bytes: kept.bytes, found: kept.found, seconds: kept.seconds } } : {}),
  }
}
