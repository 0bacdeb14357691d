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
import { table } from '../ops/index.ts'
import { type OutputLoss, targetsOf } from './fit-targets.ts'
import { checkExamples, columnSpec, copyOfParameters, runFit, type TrainingOptions } from './run-fit.ts'

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
  const { x, y, sampleWeights } = options
  const inputs = inputsOf(model, isTensor(x) ? { x } : x)
  const targets = isTensor(y) ? { y } : y
  const twice = Object.keys(targets).find((name) => Object.hasOwn(inputs, name))
  if (twice !== undefined) throw new QuernError('config', `an input and a target are both named '${twice}'`)
  const columns = { ...inputs, ...targets, ...(sampleWeights && { sampleWeights }) }
  checkExamples(columns)
  const specs = Object.entries(inputs).map(([name, tensor]) => columnSpec(name, tensor))
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
    (step) => {
      const parameters = copyOfParameters(step)
      return { onnx: exportGraph({ model, inputs: specs, output: 'y', parameters, table, name: 'model' }), parameters }
    },
  )
}

export function isTensor(given: Tensor | NamedColumns): given is Tensor {
  return typeof given.dtype === 'string'
}

/** The inputs in the order in which the model takes them. */
export function inputsOf(model: Layer, given: NamedColumns): NamedColumns {
  const specs = (model as { readonly inputs?: readonly { readonly name: string }[] }).inputs
  const names = Object.keys(given)
  if (!specs || (names.length === 1 && names[0] === 'x' && specs.length === 1)) return given
  const wanted = specs.map(({ name }) => name)
  if (names.length !== wanted.length || !wanted.every((name) => Object.hasOwn(given, name))) {
    throw new QuernError('input', `the model takes the inputs ${wanted.join(', ')}, received ${names.join(', ')}`, {
      hint: `Give them by name: { x: { ${wanted.map((name) => `${name}: ...`).join(', ')} } }.`,
    })
  }
  return Object.fromEntries(wanted.map((name) => [name, given[name]!]))
}
