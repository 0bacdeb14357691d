/** What training in memory has in common, whatever is trained: data in columns, a step, the loop, a fingerprint. */
import type { TrainEvent } from '../contract/events.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import { sha256OfText } from '../core/hash.ts'
import { createRandom } from '../core/random.ts'
import { formatShape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { createDataset, exampleShape } from '../data/dataset.ts'
import { digestDatasets } from '../data/digest.ts'
import { splitByShare } from '../data/split.ts'
import { createSchedule, type NamedConfig, type Optimizer } from '../optim/index.ts'
import { gradientRules } from '../optim/update.ts'
import type { Device } from '../runtime/backend.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { type CheckpointStore, memoryCheckpoints } from '../train/checkpoint.ts'
import { type EarlyStopping, runLoop } from '../train/loop.ts'
import type { ColumnSpec, JointNetwork, Network } from '../train/network.ts'
import { networkDigest } from '../train/network-digest.ts'
import { optimizerFrom, type ParameterGroup } from '../train/parameter-groups.ts'
import type { Scorer } from '../train/scores.ts'
import { createTrainingStep, type TrainingStep } from '../train/step.ts'
import type { ParameterAverage, Recomputation } from '../train/step-options.ts'
import { type AveragingOptions, weightAveraging } from '../train/weight-averaging.ts'

/** How training goes about it. */
export interface TrainingOptions {
  readonly epochs?: number
  readonly batchSize?: number
  readonly optimizer?: string | NamedConfig | Optimizer
  readonly schedule?: string | NamedConfig
  /** parameters that are trained differently or not at all, by patterns of their paths; the first that means one holds */
  readonly groups?: readonly ParameterGroup[]
  /** share of the examples that is kept apart to validate on; default 0 */
  readonly validationSplit?: number
  /** limits the norm of the gradient, of each objective by itself */
  readonly clipNorm?: number
  /** evaluates, and returns, a moving average of the parameters */
  readonly ema?: ParameterAverage
  /** evaluates, and returns, the mean of the weights at the ends of epochs, which a learning rate of its own keeps moving */
  readonly swa?: AveragingOptions
  /** runs a batch in so many parts before one update: the memory of a part; default 1 */
  readonly accumulate?: number
  /** computes activations again for the gradients in place of keeping them: all, or all but products of matrices and convolutions; the same bits */
  readonly recompute?: Recomputation
  readonly earlyStopping?: EarlyStopping
  /** decides which epoch is best: 'validationLoss', 'loss', ..., or 'latest' */
  readonly monitor?: string
  readonly seed?: number
  readonly device?: Device
  readonly threads?: number
  /** keeps checkpoints; with `resume`, goes on from the last one */
  readonly checkpoints?: CheckpointStore
  readonly resume?: boolean
  readonly signal?: AbortSignal
}

/** Names of all options, which the compiler compares with the type. */
export const trainingOptionNames: Readonly<Record<keyof Required<TrainingOptions>, true>> = {
  ...{ epochs: true, batchSize: true, optimizer: true, schedule: true, groups: true, validationSplit: true },
  ...{ clipNorm: true, ema: true, swa: true, accumulate: true, recompute: true, earlyStopping: true, monitor: true },
  ...{ seed: true, device: true, threads: true, checkpoints: true, resume: true, signal: true },
}

/** @throws QuernError 'config' for a name that means nothing: whoever writes it means something by it */
export function checkOptionNames(owner: string, given: object, known: Readonly<Record<string, true>>): void {
  const strange = Object.keys(given).find((name) => !Object.hasOwn(known, name))
  if (strange === undefined) return
  throw new QuernError('config', `${owner} has no option '${strange}'. ${suggestion(strange, Object.keys(known))}`)
}

export interface FitRun {
  readonly columns: Readonly<Record<string, Tensor>>
  readonly network: Network | JointNetwork
  readonly scorer: () => Scorer
  /** column that the only output is scored against */
  readonly target?: string
  /** of options that say none */
  readonly monitor?: string
  /** plain data: what must not change between a run and its resumption, besides `TrainingOptions` and the data */
  readonly identity: unknown
}

/** A column as the graph takes it. */
export function columnSpec(name: string, tensor: Tensor): ColumnSpec {
  if (tensor.shape.length === 0) {
    throw new QuernError('input', `'${name}' needs a first axis for the examples, received a scalar`)
  }
  return { name, dtype: tensor.dtype, shape: exampleShape(tensor) }
}

/** Yields the events of the run; returns what `finish` makes of the step as it ended. */
export async function* runFit<Result>(
  options: TrainingOptions,
  run: FitRun,
  finish: (step: TrainingStep) => Result,
): AsyncGenerator<TrainEvent, Result> {
  const { epochs = 1, batchSize = 32, seed = 0, validationSplit = 0, device = 'cpu' } = options
  for (const [name, value] of Object.entries({ epochs, batchSize })) {
    if (Number.isInteger(value) && value >= 1) continue
    throw new QuernError('config', `${name} must be a whole number of at least 1, received ${value}`)
  }
  const random = createRandom(seed)
  const all = createDataset({ columns: run.columns })
  const splits =
    validationSplit > 0 ? splitByShare(all, { validation: validationSplit }, random.fork('split')) : { train: all }
  const optimizer = optimizerFrom(options.optimizer ?? 'adam')
  const swa = options.swa && weightAveraging(options.swa, { epochs, learningRate: optimizer.config.learningRate })
  const step = await createTrainingStep({
    network: run.network,
    optimizer,
    groups: options.groups,
    stepsPerEpoch: Math.ceil(splits.train!.length / batchSize),
    backend: createNodeBackend(),
    session: { device, ...(options.threads === undefined ? {} : { threads: options.threads }) },
    random,
    batchSize,
    rules: gradientRules({ clipNorm: options.clipNorm ?? 0 }),
    ema: options.ema,
    swa: swa !== undefined,
    accumulate: options.accumulate,
    recompute: options.recompute,
  })
  try {
    yield* runLoop({
      step,
      train: splits.train!,
      validation: splits.validation,
      target: run.target,
      epochs,
      batchSize,
      schedule: createSchedule(options.schedule ?? 'constant', optimizer.config),
      swa,
      scorer: run.scorer,
      random,
      monitor: options.monitor ?? run.monitor,
      earlyStopping: options.earlyStopping,
      checkpoints: options.checkpoints ?? memoryCheckpoints(),
      clock: Date,
      device,
      fingerprint: options.checkpoints
        ? await fingerprint(options, [
            run.identity,
            optimizer.config,
            await networkDigest(run.network, step.partSize),
            await digestDatasets(splits),
          ])
        : '',
      resume: options.resume ?? false,
      signal: options.signal,
    })
    return finish(step)
  } finally {
    await step.release()
  }
}

/** The parameters as a copy that outlives the step. */
export function copyOfParameters(step: TrainingStep): ReadonlyMap<string, Tensor> {
  return new Map(
    [...step.parameters].map(([path, { dtype, shape, data }]) => [
      path,
      { dtype, shape, data: (data as Float32Array).slice() },
    ]),
  )
}

/** What must not change between a run and its resumption: model, losses, schedule and data, but not machine and signal. */
function fingerprint(
  {
    epochs,
    batchSize,
    schedule,
    groups,
    clipNorm,
    ema,
    swa,
    accumulate,
    earlyStopping,
    monitor,
    seed,
  }: TrainingOptions,
  rest: readonly unknown[],
): Promise<string> {
  const numbers = { epochs, batchSize, schedule, clipNorm, ema, swa, accumulate, earlyStopping, monitor, seed }
  return sha256OfText(JSON.stringify([numbers, groups?.map(plainGroup), rest]))
}

function plainGroup({ parameters, optimizer, ...rest }: ParameterGroup): unknown {
  const patterns = [parameters].flat().map(String)
  return [patterns, optimizer && optimizerFrom(optimizer).config, rest]
}

/** @throws QuernError 'input' for tensors of different numbers of examples */
export function checkExamples(columns: Readonly<Record<string, Tensor>>): void {
  const [first, ...rest] = Object.entries(columns)
  for (const [name, tensor] of rest) {
    if (!first || tensor.shape[0] === first[1].shape[0]) continue
    throw new QuernError(
      'input',
      `${first[0]} and ${name} must have the same number of examples, received ${formatShape(first[1].shape)} and ${formatShape(tensor.shape)}`,
    )
  }
}
