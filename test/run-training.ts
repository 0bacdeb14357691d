/** A small real training run for tests: a corner of MNIST, a network with everything that has a memory, the loop as it is. */
import type { TrainEvent } from '../src/contract/events.ts'
import { createRandom } from '../src/core/random.ts'
import { float32 } from '../src/core/tensor.ts'
import { createAugment } from '../src/data/augment.ts'
import { createDataset, type Dataset, exampleShape, subset } from '../src/data/dataset.ts'
import { loadIdxPair } from '../src/data/idx-source.ts'
import * as nn from '../src/nn/index.ts'
import { table } from '../src/ops/index.ts'
import { createSchedule, type NamedConfig, type Optimizer } from '../src/optim/index.ts'
import { type GradientRules, gradientRules } from '../src/optim/update.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { memoryCheckpoints } from '../src/train/checkpoint.ts'
import { type LoopOptions, runLoop } from '../src/train/loop.ts'
import { optimizerFrom, type ParameterGroup } from '../src/train/parameter-groups.ts'
import { classificationScorer, regressionScorer } from '../src/train/scores.ts'
import { createTrainingStep, type TrainingStep } from '../src/train/step.ts'
import type { ParameterAverage, Recomputation } from '../src/train/step-options.ts'
import { type AveragingOptions, weightAveraging } from '../src/train/weight-averaging.ts'
import { mnistFile } from './mnist-files.ts'

const mnist = await loadIdxPair({
  images: mnistFile('t10k-images-idx3-ubyte'),
  labels: mnistFile('t10k-labels-idx1-ubyte'),
})

/** Images from..to of MNIST's test file. */
export function digits(from: number, to: number): Dataset {
  return subset(
    mnist,
    Int32Array.from({ length: to - from }, (_, i) => from + i),
  )
}

/** Convolution, batch normalisation and dropout over pixels of 8 bits. */
export function smallNetwork(): nn.Layer {
  return nn.sequential([
    nn.rescaling({ scale: 1 / 255 }),
    nn.conv2d({ filters: 4, kernelSize: 5, strides: 3, useBias: false }),
    nn.batchNormalization({ momentum: 0.8 }),
    nn.activation('relu'),
    nn.spatialDropout({ rate: 0.1 }),
    nn.flatten(),
    nn.dropout({ rate: 0.3 }),
    nn.dense({ units: 10, activation: 'softmax' }),
  ])
}

export interface Setup {
  readonly model?: nn.Layer
  readonly loss?: nn.Loss
  readonly seed?: number
  readonly threads?: number
  readonly optimizer?: string | NamedConfig | Optimizer
  readonly schedule?: string | NamedConfig
  readonly rules?: Partial<GradientRules>
  readonly ema?: ParameterAverage
  readonly swa?: AveragingOptions
  readonly accumulate?: number
  readonly recompute?: Recomputation | undefined
  readonly keepOutputs?: boolean | undefined
  readonly groups?: readonly ParameterGroup[]
  readonly batchSize?: number
  readonly stepsPerEpoch?: number
  readonly evaluationBatchSize?: number
  readonly loop?: Partial<LoopOptions>
  readonly train?: Dataset
  readonly augmented?: boolean
}

export interface Prepared {
  readonly step: TrainingStep
  readonly options: LoopOptions
}

export async function prepare(setup: Setup = {}): Promise<Prepared> {
  const { model = smallNetwork(), loss = nn.sparseCategoricalCrossentropy(), seed = 1, threads = 1, loop = {} } = setup
  const { optimizer = 'adam', schedule = 'constant', rules = {}, batchSize = 16, evaluationBatchSize = 8 } = setup
  const { train = digits(0, 72), augmented = false } = setup
  const made = optimizerFrom(optimizer)
  const target = train.columns.label!
  const inputs = Object.entries(train.columns).filter(([name]) => name !== 'label')
  const step = await createTrainingStep({
    network: {
      model,
      loss,
      inputs: inputs.map(([name, column]) => ({ name, dtype: column.dtype, shape: exampleShape(column) })),
      target: { name: 'label', dtype: target.dtype, shape: exampleShape(target) },
      table,
    },
    optimizer: made,
    backend: createNodeBackend({ threads }),
    random: createRandom(seed),
    batchSize,
    evaluationBatchSize,
    rules: gradientRules(rules),
    ema: setup.ema,
    swa: setup.swa !== undefined,
    accumulate: setup.accumulate,
    recompute: setup.recompute,
    keepOutputs: setup.keepOutputs,
    groups: setup.groups,
    stepsPerEpoch: setup.stepsPerEpoch,
  })
  const { epochs = 3 } = loop
  const options: LoopOptions = {
    step,
    train,
    target: 'label',
    epochs,
    swa: setup.swa && weightAveraging(setup.swa, { epochs, learningRate: made.config.learningRate }),
    batchSize,
    schedule: createSchedule(schedule, made.config),
    scorer: () => classificationScorer(['accuracy', 'f1']),
    random: createRandom(seed),
    augment: augmented ? { column: 'image', apply: createAugment({ shift: 0.1, rotate: 10 }) } : undefined,
    checkpoints: memoryCheckpoints(),
    clock: { now: () => 0 },
    device: 'cpu',
    fingerprint: 'test',
    ...loop,
  }
  return { step, options }
}

export interface Outcome {
  readonly events: readonly TrainEvent[]
  /** bytes of parameters, states and optimiser slots, by name */
  readonly state: ReadonlyMap<string, string>
}

/** Runs to the end; `onEvent` may abort or throw. */
export async function train(setup: Setup = {}, onEvent: (event: TrainEvent) => void = () => {}): Promise<Outcome> {
  const { step, options } = await prepare(setup)
  try {
    const events: TrainEvent[] = []
    for await (const event of runLoop(options)) {
      events.push(event)
      onEvent(event)
    }
    return { events, state: bytesOf(step) }
  } finally {
    await step.release()
  }
}

/** Every byte of what training changes, as text that compares fast. */
export function bytesOf(step: TrainingStep): Map<string, string> {
  return new Map(
    [...step.state].map(([name, { data }]) => {
      const { buffer, byteOffset, byteLength } = data as Float32Array
      return [name, Buffer.from(buffer, byteOffset, byteLength).toString('base64')]
    }),
  )
}

/** Events that say what was computed, not when a checkpoint was written. */
export function computed(events: readonly TrainEvent[]): TrainEvent[] {
  return events.filter(({ type }) => type === 'step' || type === 'epoch')
}

/** y = 3 x - 1, 12 examples */
export const line: Dataset = createDataset({
  columns: {
    x: float32(
      [12, 1],
      Float32Array.from({ length: 12 }, (_, i) => i / 6 - 1),
    ),
    label: float32(
      [12, 1],
      Float32Array.from({ length: 12 }, (_, i) => 3 * (i / 6 - 1) - 1),
    ),
  },
})

/** One dense unit on `line`. */
export const linear: Setup = {
  model: nn.sequential([nn.dense({ units: 1 })]),
  loss: nn.meanSquaredError(),
  optimizer: { name: 'sgd', learningRate: 0.1 },
  train: line,
  batchSize: 4,
}
/** Loop options that score numbers. */
export const regression: Partial<LoopOptions> = { scorer: () => regressionScorer(['meanAbsoluteError']) }
