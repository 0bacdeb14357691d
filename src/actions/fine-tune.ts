/** Training that starts from a model, without a project: tensors in memory, events out, the same safeguards as `quern train --from`. */
import { withAdapterBeside } from '../adapters/adapt-graph.ts'
import type { Adapter, AdapterMethod } from '../adapters/index.ts'
import { placedSites } from '../adapters/write.ts'
import { exportGraph } from '../bundle/export-graph.ts'
import type { TrainEvent } from '../contract/events.ts'
import { QuernError } from '../core/errors.ts'
import type { Pattern } from '../core/patterns.ts'
import { numbersOf, type Tensor, tensorFromNumbers } from '../core/tensor.ts'
import { createDataset } from '../data/dataset.ts'
import { createTokenizer, type Tokens } from '../data/tokenizer.ts'
import type { Value } from '../graph/graph.ts'
import { type Transfer, type TransferOptions, transfer } from '../nn/index.ts'
import { table } from '../ops/index.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { createFileBlobs } from '../store/file-blobs.ts'
import { createRunStore } from '../store/file-runs.ts'
import { cacheFeatures } from '../train/feature-cache.ts'
import { type FrozenPrefix, frozenPrefix } from '../train/frozen-prefix.ts'
import { type BaseModel, type BaseServices, baseFromBytes, largeWeights, openBase } from './base-model.ts'
import {
  type FitOptions,
  type FittedModel,
  fitParameters,
  inputColumns,
  inputsOf,
  isTensor,
  type NamedColumns,
} from './fit.ts'
import { accuracyOn, withTrainedWeights } from './forgetting.ts'
import { restoredBase, restoringExamples } from './restored-base.ts'
import { checkExamples, checkOptionNames, trainingOptionNames } from './run-fit.ts'
import { type BaseEvent, baseEvent, fewExamples, verifyExport, verifyStart } from './start-from.ts'
import { adaptedBase, adapterSize, trainedAdapter } from './trained-adapter.ts'

type Given = Tensor | NamedColumns | readonly string[]

export interface FineTuneOptions
  extends Omit<FitOptions, 'x' | 'y' | 'loss' | 'losses'>,
    Omit<TransferOptions, 'hash' | 'table' | 'around'> {
  /**
   * what the model takes, examples along the first axis; several inputs by the names that the file gives them; texts, for a folder with a
   * tokenizer.json
   */
  readonly x: Given
  /**
   * of texts: tokens of each, which the exported model takes too; default: those of the longest, at most what tokenizer.json says of
   * truncation, or 512
   */
  readonly tokens?: number | undefined
  /** class numbers int32 `[n]`, or what the loss compares with */
  readonly y: Tensor
  /** default: sparseCategoricalCrossentropy for class numbers, meanSquaredError else */
  readonly loss?: FitOptions['loss']
  /** of `lora` or `ia3`: its numbers are trained beside the frozen weights that it means, and the head */
  readonly adapter?: AdapterMethod
  /** computes what is frozen once for each example; default true */
  readonly cacheFeatures?: boolean
  /**
   * puts normalisation back behind convolutions into which an exporter has folded it, with statistics of a few of the examples; with
   * `batchNormalization: 'batch'` they move along. True for all, or names and patterns of layers
   */
  readonly restoreNormalization?: boolean | Pattern | readonly Pattern[]
  /** examples of what the model could do before, with class numbers: how much of it is forgotten is measured */
  readonly old?: { readonly x: Given; readonly y: Tensor }
}

const optionNames: Readonly<Record<keyof Required<FineTuneOptions>, true>> = {
  ...trainingOptionNames,
  ...{ x: true, y: true, tokens: true, loss: true, sampleWeights: true, metrics: true, adapter: true, old: true },
  ...{ head: true, units: true, activation: true, output: true, dropout: true, train: true, unfreeze: true },
  ...{ learningRateFactor: true, layerDecay: true, batchNormalization: true, restoreNormalization: true },
  ...{ cacheFeatures: true },
}

export interface FineTuned extends FittedModel {
  /** largest difference between the exported file and the trained parameters, as a share of the largest output */
  readonly difference: number
  /** accuracy on `old` before and after, when it was given */
  readonly old?: { readonly before: number; readonly after: number }
  /** what was trained of `adapter`: for `writePeft`, and for `mergeAdapter` on the graph of the file */
  readonly adapter?: Adapter
}

/**
 * Puts a head behind a model and trains it, and as much of the model as is asked for. The model is compared with its file before the first step,
 * the exported file with the trained model after the last; the best epoch's parameters are returned.
 *
 * @param model path of an ONNX file, a bundle or a Hugging Face style folder, or the bytes of an ONNX file
 * @throws QuernError as `fit` and `transfer`; 'numeric' when one of the two comparisons fails
 * @example
 * const run = fineTune('backbone.onnx', { x, y, train: { last: 2 }, learningRateFactor: 0.1, epochs: 10 })
 * for await (const event of run) if (event.type === 'epoch') console.log(event.train)
 */
export async function* fineTune(
  model: string | Uint8Array,
  options: FineTuneOptions,
): AsyncGenerator<TrainEvent | BaseEvent, FineTuned> {
  checkOptionNames('fineTune', options, optionNames)
  const services = libraryServices()
  const file =
    typeof model === 'string'
      ? await openBase(services, model, { probeFrom: largeWeights })
      : await baseFromBytes(services, model)
  const { x, y, tokens, head, train, output, unfreeze, dropout, batchNormalization, old, adapter, ...rest } = options
  const { learningRateFactor, layerDecay, cacheFeatures: keeps = true, restoreNormalization, ...training } = rest
  const wanted = restoreNormalization ?? false
  const given = columnsOf(file, x, tokens)
  if (adapter) placedSites(file.graph.nodes, adapter)
  const base =
    wanted === false ? file : await restoredBase(services, file, { wanted, ...fewOf(given, restoringExamples) })
  const isClasses = y.dtype === 'int32' && y.shape.length === 1
  const start = transfer(base.graph, {
    ...{ head, train, output, unfreeze, dropout, batchNormalization, learningRateFactor, layerDecay },
    units:
      options.units ??
      (isClasses ? 1 + (y.data as Int32Array).reduce((most, label) => Math.max(most, label), 0) : (y.shape[1] ?? 1)),
    activation: options.activation ?? (isClasses ? 'softmax' : undefined),
    around: adapter && adaptedBase(adapter),
    hash: base.hash,
  })
  const columns = inputsOf(start.base, given)
  checkExamples({ ...columns, y })
  const inputs = inputColumns(start.base, columns)
  const { examples } = fewOf(columns)
  const checked = { start: { base: start.base, prepare: undefined }, examples, parameters: new Map<string, Tensor>() }
  const difference = await verifyStart(services, base, checked)
  const prefix = keeps ? frozenPrefix(start.model, inputs, table) : undefined
  const kept = prefix && (await cacheFeatures({ all: createDataset({ columns }) }, { prefix, inputs, ...services }))
  yield baseEvent(base, start, difference, {
    kept: kept && { bytes: kept.bytes, found: kept.found, seconds: 0 },
    adapter: adapter && adapterSize(start.base, adapter),
  })
  const { parameters } = yield* fitParameters(prefix?.suffix ?? start.model, {
    ...training,
    groups: [...(options.groups ?? []), ...start.groups],
    x: kept ? featuresOf(kept.datasets.all.columns, prefix!) : columns,
    y,
    loss: options.loss ?? (isClasses ? 'sparseCategoricalCrossentropy' : 'meanSquaredError'),
  })
  const oldColumns = old && { x: columnsOf(file, old.x, tokens), y: old.y }
  const trained = adapter && (await trainedAdapter(start.base.graph, adapter, parameters))
  const of = { start, inputs, examples, parameters, old: oldColumns, adapter: trained }
  const tuned = await finished(services, base, of)
  return trained ? { ...tuned, adapter: trained } : tuned
}

async function finished(
  services: BaseServices,
  base: BaseModel,
  of: {
    start: Transfer
    inputs: ReturnType<typeof inputColumns>
    examples: Readonly<Record<string, Tensor>>
    parameters: FittedModel['parameters']
    old: { readonly x: NamedColumns; readonly y: Tensor } | undefined
    adapter: Adapter | undefined
  },
): Promise<FineTuned> {
  const { start, inputs, examples, parameters, old, adapter } = of
  const { model } = start
  const onnx = exportGraph({ model, inputs, output: 'y', parameters, table, name: 'model' })
  const difference = await verifyExport(services, onnx, { model, examples, parameters })
  if (!old) return { onnx, parameters, difference }
  const columns = inputsOf(start.base, old.x)
  const dataset = createDataset({ columns: { ...columns, label: old.y } })
  const moved = withTrainedWeights(base.graph, parameters)
  const changed = adapter ? withAdapterBeside(moved, adapter) : moved
  const [before, after] = [base.graph, changed].map((graph) =>
    accuracyOn(services, { graph, prepare: undefined, dataset, inputs: Object.keys(columns), name: base.name }),
  )
  return { onnx, parameters, difference, old: { before: await before!, after: await after! } }
}

/** Columns by name; texts become the tokens that the model's inputs are named for. */
function columnsOf({ graph, tokenizer, name }: BaseModel, x: Given, length: number | undefined): NamedColumns {
  if (isTexts(x)) {
    if (tokenizer)
      return tokenColumns(
        graph.inputs,
        createTokenizer(tokenizer.bytes, `${name}/tokenizer.json`).encode(x, { length }),
      )
    throw new QuernError('input', `${name} has no tokenizer.json: texts cannot become what it takes`, {
      hint: 'Give a folder with tokenizer.json and onnx/model.onnx, or tensors of token ids by the names of the inputs.',
    })
  }
  return isTensor(x) ? { x } : x
}

const isTexts = (x: Given): x is readonly string[] => Array.isArray(x)

/** @throws QuernError 'input' for a model that takes other things than tokens */
function tokenColumns(inputs: readonly Value[], tokens: Tokens): NamedColumns {
  return Object.fromEntries(
    inputs.map(({ name, type }) => {
      const column = tokens[name]
      if (column)
        return [name, type?.dtype === 'int32' ? tensorFromNumbers('int32', column.shape, numbersOf(column)) : column]
      throw new QuernError(
        'input',
        `the model takes '${name}', which is not made of texts: ${Object.keys(tokens).join(', ')} are`,
        {
          hint: 'Give its inputs as tensors by name; createTokenizer(file).encode(texts) makes those of the tokens.',
        },
      )
    }),
  )
}

/** A few examples, as `restoredBase` and the comparisons take them. */
function fewOf(columns: NamedColumns, most?: number) {
  const examples = fewExamples(createDataset({ columns }), Object.keys(columns), most)
  return { examples, prepare: undefined }
}

function featuresOf(columns: Readonly<Record<string, Tensor>>, { features }: FrozenPrefix): Record<string, Tensor> {
  return Object.fromEntries(features.map(({ name }) => [name, columns[name]!]))
}

/** The runtime, and the file system from the current folder. */
function libraryServices(): BaseServices {
  const folder = createFileBlobs
  return { backend: createNodeBackend(), table, folder, runs: createRunStore(folder('.quern/runs'), Date) }
}
