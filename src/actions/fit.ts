/**
 * Training without a project: a model of layers, tensors in memory, events out. What `quern train` does is made of the same parts;
 * this is for code that wants no files.
 */

import { exportGraph } from '../bundle/export-graph.ts'
import type { TrainEvent } from '../contract/events.ts'
import { QuernError } from '../core/errors.ts'
import { sha256OfText } from '../core/hash.ts'
import { createRandom } from '../core/random.ts'
import { formatShape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { createDataset, type Dataset, exampleShape } from '../data/dataset.ts'
import { digestDatasets } from '../data/digest.ts'
import { splitByShare } from '../data/split.ts'
import type { MetricSpec } from '../metrics/index.ts'
import type { Layer } from '../nn/layer.ts'
import { type Loss, type LossName, lossFrom } from '../nn/losses/index.ts'
import { table } from '../ops/index.ts'
import { createOptimizer, createSchedule, type NamedConfig, type Optimizer } from '../optim/index.ts'
import { gradientRules } from '../optim/update.ts'
import type { Device } from '../runtime/backend.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { type CheckpointStore, memoryCheckpoints } from '../train/checkpoint.ts'
import { type EarlyStopping, runLoop } from '../train/loop.ts'
import { classificationScorer, regressionScorer } from '../train/scores.ts'
import { createTrainingStep } from '../train/step.ts'
import type { ParameterAverage } from '../train/step-options.ts'

export interface FitOptions {
  /** examples along the first axis */
  readonly x: Tensor
  /** one target for each example; class numbers are int32 `[n]` */
  readonly y: Tensor
  readonly loss: LossName | Loss
  readonly epochs?: number
  readonly batchSize?: number
  readonly optimizer?: string | NamedConfig | Optimizer
  readonly schedule?: string | NamedConfig
  /** share of the examples that is kept apart to validate on; default 0 */
  readonly validationSplit?: number
  /** names such as 'accuracy' for classifiers, 'meanAbsoluteError' for regressions; default: none */
  readonly metrics?: readonly MetricSpec[]
  readonly clipNorm?: number
  /** evaluates, and returns, a moving average of the parameters */
  readonly ema?: ParameterAverage
  /** runs a batch in so many parts before one update: the memory of a part; default 1 */
  readonly accumulate?: number
  readonly earlyStopping?: EarlyStopping
  readonly monitor?: string
  readonly seed?: number
  readonly device?: Device
  readonly threads?: number
  /** keeps checkpoints; with `resume`, goes on from the last one */
  readonly checkpoints?: CheckpointStore
  readonly resume?: boolean
  readonly signal?: AbortSignal
}

/** A trained model in memory. */
export interface FittedModel {
  /** the ONNX file: input 'x' `[batch, ...]`, output 'y' */
  readonly onnx: Uint8Array
  /** parameters and states by path */
  readonly parameters: ReadonlyMap<string, Tensor>
}

/**
 * Trains a model and yields the events of the run; the generator's return value is the trained model.
 *
 * @example
 * const run = fit(sequential([dense({ units: 1 })]), { x, y, loss: 'meanSquaredError', epochs: 20 })
 * for await (const event of run) if (event.type === 'epoch') console.log(event.epoch, event.train.loss)
 */
export async function* fit(model: Layer, options: FitOptions): AsyncGenerator<TrainEvent, FittedModel> {
  const { x, y, epochs = 1, batchSize = 32, seed = 0, validationSplit = 0, metrics = [], device = 'cpu' } = options
  if (x.shape[0] !== y.shape[0]) {
    throw new QuernError(
      'input',
      `x and y must have the same number of examples, received ${formatShape(x.shape)} and ${formatShape(y.shape)}`,
    )
  }
  for (const [name, value] of Object.entries({ epochs, batchSize })) {
    if (Number.isInteger(value) && value >= 1) continue
    throw new QuernError('config', `${name} must be a whole number of at least 1, received ${value}`)
  }
  const random = createRandom(seed)
  const all = createDataset({ columns: { x, y } })
  const splits =
    validationSplit > 0 ? splitByShare(all, { validation: validationSplit }, random.fork('split')) : { train: all }
  const loss = lossFrom(options.loss)
  const optimizer =
    typeof options.optimizer === 'object' && 'update' in options.optimizer
      ? (options.optimizer as Optimizer)
      : createOptimizer(options.optimizer ?? 'adam')
  const input = { name: 'x', dtype: x.dtype, shape: exampleShape(x) }
  const step = await createTrainingStep({
    network: { model, loss, inputs: [input], target: { name: 'y', dtype: y.dtype, shape: exampleShape(y) }, table },
    optimizer,
    backend: createNodeBackend(),
    session: { device, ...(options.threads === undefined ? {} : { threads: options.threads }) },
    random,
    batchSize,
    rules: gradientRules({ clipNorm: options.clipNorm ?? 0 }),
    ema: options.ema,
    accumulate: options.accumulate,
  })
  const isClassifier = isClassification(loss, y)
  try {
    yield* runLoop({
      step,
      train: splits.train!,
      validation: splits.validation,
      target: 'y',
      epochs,
      batchSize,
      schedule: createSchedule(options.schedule ?? 'constant', optimizer.config),
      scorer: () => (isClassifier ? classificationScorer(metrics) : regressionScorer(metrics)),
      random,
      monitor: options.monitor,
      earlyStopping: options.earlyStopping,
      checkpoints: options.checkpoints ?? memoryCheckpoints(),
      clock: Date,
      device,
      fingerprint: options.checkpoints ? await fingerprint(model, options, { loss, optimizer, splits }) : '',
      resume: options.resume ?? false,
      signal: options.signal,
    })
    const parameters = new Map(
      [...step.parameters].map(([path, { dtype, shape, data }]) => [
        path,
        { dtype, shape, data: (data as Float32Array).slice() },
      ]),
    )
    return { onnx: exportGraph({ model, inputs: [input], output: 'y', parameters, table, name: 'model' }), parameters }
  } finally {
    await step.release()
  }
}

/** Class numbers, one-hot rows, or one yes or no an example. */
function isClassification({ name }: Loss, { shape }: Tensor): boolean {
  if (name === 'binaryCrossentropy') return shape.length === 1 || (shape.length === 2 && shape[1] === 1)
  return name === 'sparseCategoricalCrossentropy' || name === 'categoricalCrossentropy'
}

/** What must not change between a run and its resumption: model, loss, schedule and data, but not machine and signal. */
async function fingerprint(
  model: Layer,
  { epochs, batchSize, schedule, metrics, clipNorm, ema, accumulate, earlyStopping, monitor, seed }: FitOptions,
  { loss, optimizer, splits }: { loss: Loss; optimizer: Optimizer; splits: Readonly<Record<string, Dataset>> },
): Promise<string> {
  const names = [model.kind, loss.name]
  const configs = [model.config, loss.config, optimizer.config]
  const numbers = { epochs, batchSize, schedule, metrics, clipNorm, ema, accumulate, earlyStopping, monitor, seed }
  return sha256OfText(JSON.stringify([names, configs, numbers, await digestDatasets(splits)]))
}
