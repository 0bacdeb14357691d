/**
 * The project's configuration: what every task shares. A task adds its own sections (`data`, `model`, `augment`) in its record.
 * Unknown keys are errors; every default stands here, so that `quern config --resolved` can print it.
 */
import { z } from 'zod'

const positive = z.int().positive()

/** A name, or a name with options; options are checked by the optimizer's or schedule's own record. */
const named = z.union([z.string(), z.looseObject({ name: z.string() })])

export const devices = ['cpu', 'cuda', 'webgpu', 'coreml', 'dml'] as const

export const trainSection = z.strictObject({
  /** passes over the training split */
  epochs: positive.default(5),
  batchSize: positive.default(32),
  /** 'adam', 'adamw', 'sgd', or `{ name, learningRate, ... }` */
  optimizer: named.default('adam'),
  /** over the optimizer's learning rate; a warm-up is `{ name: 'warmup', ... }` around another */
  schedule: named.optional(),
  /** limits the norm of the whole gradient */
  clipNorm: z.number().positive().optional(),
  /** limits every element of the gradient */
  clipValue: z.number().positive().optional(),
  /** penalties on all kernels, added to the loss */
  l1: z.number().nonnegative().default(0),
  l2: z.number().nonnegative().default(0),
  labelSmoothing: z.number().min(0).lt(1).default(0),
  /** stops after `patience` epochs without an improvement of the monitored value */
  earlyStopping: z
    .union([z.literal(false), z.strictObject({ patience: positive, minDelta: z.number().nonnegative().default(0) })])
    .default(false),
  /** decides which epoch is best: 'validationLoss', 'validationAccuracy', 'loss', ... */
  monitor: z.string().optional(),
})

export type TrainSection = z.output<typeof trainSection>

/** Names of models stand in paths and addresses. */
export const modelName: RegExp = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

/** Sections that every task has. */
export const commonSections = {
  /** names the model in bundles and on the server; default: the folder's name */
  name: z.string().regex(modelName, 'must be letters, digits, dots, dashes or underscores').optional(),
  /** everything random is drawn from it: the same seed gives the same model */
  seed: z.int().nonnegative().default(0),
  device: z.enum(devices).default('cpu'),
  /** threads of the runtime; default: one for each physical core */
  threads: positive.optional(),
  train: trainSection.prefault({}),
} as const

/** How a dataset without given splits is divided. */
export const splitSection = z.strictObject({
  /** share of all examples */
  validation: z.number().min(0).lt(1).default(0.1),
  test: z.number().min(0).lt(1).default(0.1),
  /** each class has the same share in every split */
  stratified: z.boolean().default(true),
})

export type SplitSection = z.output<typeof splitSection>
