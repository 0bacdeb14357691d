/**
 * Training without a project: a model of layers, tensors in memory, events out. What `quern train` does is made of the same parts;
 * this is for code that wants no files.
 */
import { exportGraph } from '../bundle/export-graph.ts'
import type { TrainEvent } from '../contract/events.ts'
import { QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import type { MetricSpec } from '../metrics/index.ts'
import type { Layer } from '../nn/layer.ts'
import type { Loss, LossName } from '../nn/losses/index.ts'
import { inOrder, inputNames } from '../nn/port-order.ts'
import { table } from '../ops/index.ts'
import type { ColumnSpec } from '../train/network.ts'
import { type OutputLoss, targetsOf } from './fit-targets.ts'
import {
  checkExamples,
  checkOptionNames,
  columnSpec,
  copyOfParameters,
  runFit,
  type TrainingOptions,
  trainingOptionNames,
} from './run-fit.ts'

/** Tensors by the names of inputs or targets; examples along the first axis of each. */
export type NamedColumns = Readonly<Record<string, Tensor>>

export interface FitOptions extends TrainingOptions {
  /** examples along the first axis; several inputs by their names */
  readonly x: Tensor | NamedColumns
  /** one target for each example; class numbers are int32 `[n]`; several targets by their names */
  readonly y: Tensor | NamedColumns
  /** of a model of one output */
  readonly loss?: LossName | Loss
  /** of a model of several outputs, by their names: their weighted sum is trained on, each is reported */
  readonly losses?: Readonly<Record<string, LossName | Loss | OutputLoss>>
  /** float32 `[n]`: multiplies the loss of each example, in validation too */
  readonly sampleWeights?: Tensor
  /** names such as 'accuracy' for classifiers, 'meanAbsoluteError' for regressions, by output where there are several; default: none */
  readonly metrics?: readonly MetricSpec[] | Readonly<Record<string, readonly MetricSpec[]>>
}

const optionNames: Readonly<Record<keyof Required<FitOptions>, true>> = {
  ...trainingOptionNames,
  ...{ x: true, y: true, loss: true, losses: true, sampleWeights: true, metrics: true },
}

/** A trained model in memory. */
export interface FittedModel {
  /** the ONNX file: input 'x' `[batch, ...]`, output 'y'; several have the names that they were given */
  readonly onnx: Uint8Array
  /** parameters and states by path */
  readonly parameters: ReadonlyMap<string, Tensor>
}

/**
 * Trains a model and yields the events of the run; the generator's return value is the trained model.
 *
 * @throws QuernError 'input' or 'config' for data, names and options that do not fit each other
 * @example
 * const run = fit(sequential([dense({ units: 1 })]), { x, y, loss: 'meanSquaredError', epochs: 20 })
 * for await (const event of run) if (event.type === 'epoch') console.log(event.epoch, event.train.loss)
 */
export async function* fit(model: Layer, options: FitOptions): AsyncGenerator<TrainEvent, FittedModel> {
  checkOptionNames('fit', options, optionNames)
  const { parameters, inputs } = yield* fitParameters(model, options)
  return { onnx: exportGraph({ model, inputs, output: 'y', parameters, table, name: 'model' }), parameters }
}

/** What is trained of a model, and what it was given: for models that are no files of their own, such as what stands behind frozen layers. */
export interface FittedParameters {
  readonly parameters: FittedModel['parameters']
  readonly inputs: readonly ColumnSpec[]
}

/** As {@link fit}, without a file. */
export async function* fitParameters(model: Layer, options: FitOptions): AsyncGenerator<TrainEvent, FittedParameters> {
  const { x, y, sampleWeights } = options
  const inputs = inputsOf(model, isTensor(x) ? { x } : x)
  const targets = isTensor(y) ? { y } : y
  const twice = Object.keys(targets).find((name) => Object.hasOwn(inputs, name))
  if (twice !== undefined) throw new QuernError('config', `an input and a target are both named '${twice}'`)
  const columns = { ...inputs, ...targets, ...(sampleWeights && { sampleWeights }) }
  checkExamples(columns)
  const specs = inputColumns(model, inputs)
  const { network, scorer, target, identity } = targetsOf(model, { inputs: specs, targets, options })
  return yield* runFit(
    options,
    {
      columns,
      network,
      scorer,
      ...(target === undefined ? {} : { target }),
      identity: [model.kind, model.config, identity],
    },
    (step) => ({ parameters: copyOfParameters(step), inputs: specs }),
  )
}

export function isTensor(given: Tensor | NamedColumns): given is Tensor {
  return typeof given.dtype === 'string'
}

/**
 * The inputs of a model, by its own names.
 *
 * @throws QuernError 'input' for names that are not those of the model
 */
export function inputsOf(model: Layer, given: NamedColumns): NamedColumns {
  const wanted = inputNames(model)
  const names = Object.keys(given)
  if (!wanted || (names.length === 1 && names[0] === 'x' && wanted.length === 1)) return given
  if (names.length === wanted.length && wanted.every((name) => Object.hasOwn(given, name))) return given
  throw new QuernError('input', `the model takes the inputs ${wanted.join(', ')}, received ${names.join(', ')}`, {
    hint: `Give them by name: { x: { ${wanted.map((name) => `${name}: ...`).join(', ')} } }.`,
  })
}

/** The inputs as the graph takes them, in the order in which the model does. */
export function inputColumns(model: Layer, inputs: NamedColumns): readonly ColumnSpec[] {
  return inOrder(inputNames(model), inputs).map(([name, tensor]) => columnSpec(name, tensor))
}
