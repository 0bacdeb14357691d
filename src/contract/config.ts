/**
 * The project's configuration: what every task shares. A task adds its own sections (`data`, `model`, `augment`) in its record.
 * Unknown keys are errors; every default stands here, so that `quern config --resolved` can print it.
 */
import { z } from 'zod'
import { type ImbalanceInput, type ImbalanceSection, imbalanceKeys } from './imbalance.ts'

/** A name, or a name with options, which the optimizer's or schedule's own record checks. */
export type Named = string | { readonly name: string; readonly [option: string]: unknown }

/** How long to wait for an improvement. */
export interface EarlyStoppingSection {
  /** epochs without improvement after which training ends */
  readonly patience: number
  /** least change that counts as improvement */
  readonly minDelta: number
}

/** A moving average of the weights that is evaluated and exported in their place. */
export interface EmaSection {
  /** share that the average keeps at each step */
  readonly decay: number
}

/** The mean of the weights at the ends of epochs, which is evaluated and exported in their place, and the learning rate of those epochs. */
export interface SwaSection {
  /** first epoch that counts, from 1; default: behind three quarters of the run */
  readonly fromEpoch?: number | undefined
  /** default: half of the optimizer's */
  readonly learningRate?: number | undefined
  /** epochs in which the rate goes from the schedule's to that; 0 jumps */
  readonly annealEpochs: number
  /** epochs of a cycle in which the rate falls from the optimizer's to that, its end counts; 0: a constant rate, each epoch counts */
  readonly cycleEpochs: number
}

/** Parameters that are trained differently: the first group that means one holds. */
export interface GroupSection {
  /** paths or layers: 'conv2d', '**\/bias', or a regular expression between slashes: '/^dense_[01]\//' */
  readonly parameters: string | readonly string[]
  /** multiplies the learning rate */
  readonly learningRateFactor?: number | undefined
  /** of decoupled decay, in place of the optimizer's own */
  readonly weightDecay?: number | undefined
  /** in place of the optimizer of the run */
  readonly optimizer?: Named | undefined
  /** stays as it is */
  readonly frozen?: boolean | undefined
  /** is trained from this epoch on */
  readonly fromEpoch?: number | undefined
}

/** Section `train` with every default. */
export interface TrainSection extends ImbalanceSection {
  /** passes over the training split */
  readonly epochs: number
  readonly batchSize: number
  /** 'adam', 'adamw', 'sgd', 'lion', ... (optim/index.ts), or `{ name, learningRate, ... }` */
  readonly optimizer: Named
  /** over the optimizer's learning rate; 'constant' keeps it, a warm-up is `{ name: 'warmup', steps, schedule }` around another */
  readonly schedule: Named
  /** limits the norm of the whole gradient */
  readonly clipNorm?: number | undefined
  /** limits every element of the gradient */
  readonly clipValue?: number | undefined
  /** penalty on all kernels, added to the loss: l1 * sum |w| */
  readonly l1: number
  /** penalty on all kernels, added to the loss: l2 * sum w^2 */
  readonly l2: number
  /** share of the target that is spread evenly over the classes */
  readonly labelSmoothing: number
  /** parts that a batch is run in, one after the other, before one update: the memory of a part, the update of the whole */
  readonly accumulate?: number | undefined
  /** activations that are computed a second time for the gradients in place of being kept: less memory, more time */
  readonly recompute?: 'all' | 'cheap' | undefined
  /** evaluates and exports a moving average of the weights */
  readonly ema?: EmaSection | undefined
  /** stochastic weight averaging, in place of `ema` */
  readonly swa?: SwaSection | undefined
  /** parameters with a rate, a decay or an optimizer of their own, or frozen */
  readonly groups?: readonly GroupSection[] | undefined
  readonly earlyStopping: false | EarlyStoppingSection
  /** decides which epoch is best: 'validationLoss', 'validationAccuracy', 'loss', ... */
  readonly monitor?: string | undefined
}

/** A section as a user writes it: everything may be left out. */
export type Given<Section> = { readonly [Key in keyof Section]?: Section[Key] | undefined }

/** Section `train` as a user writes it. */
export interface TrainInput
  extends Given<Omit<TrainSection, 'earlyStopping' | 'ema' | 'swa' | keyof ImbalanceSection>>,
    ImbalanceInput {
  readonly ema?: Given<EmaSection> | undefined
  readonly swa?: Given<SwaSection> | undefined
  readonly earlyStopping?: false | { readonly patience: number; readonly minDelta?: number | undefined } | undefined
}

/** Shares of all examples; training takes the rest. */
export interface SplitSection {
  readonly validation: number
  readonly test: number
  /** each class has the same share in every split */
  readonly stratified: boolean
  /** parts of the data, one of which is the test; in place of the share `test` */
  readonly folds?: number | undefined
  /** the part, from 0 */
  readonly fold: number
  /** draws the parts anew */
  readonly repeat: number
}

export type SplitInput = Given<SplitSection>

const positive = z.int().positive()
const named = z.union([z.string(), z.looseObject({ name: z.string() })])

const groupSection: z.ZodType<GroupSection, GroupSection> = z.strictObject({
  parameters: z.union([z.string(), z.array(z.string()).min(1)]),
  learningRateFactor: z.number().nonnegative().optional(),
  weightDecay: z.number().nonnegative().optional(),
  optimizer: named.optional(),
  frozen: z.boolean().optional(),
  fromEpoch: z.int().positive().optional(),
})

export const devices = ['cpu', 'cuda', 'webgpu', 'coreml', 'dml'] as const

export const trainSection: z.ZodType<TrainSection, TrainInput> = z.strictObject({
  epochs: positive.default(5),
  batchSize: positive.default(32),
  optimizer: named.default('adam'),
  schedule: named.default('cosine'),
  clipNorm: z.number().positive().optional(),
  clipValue: z.number().positive().optional(),
  l1: z.number().nonnegative().default(0),
  l2: z.number().nonnegative().default(0),
  labelSmoothing: z.number().min(0).lt(1).default(0),
  ...imbalanceKeys,
  accumulate: positive.optional(),
  recompute: z.enum(['all', 'cheap']).optional(),
  ema: z.strictObject({ decay: z.number().min(0).lt(1).default(0.999) }).optional(),
  swa: z
    .strictObject({
      fromEpoch: positive.optional(),
      learningRate: z.number().nonnegative().optional(),
      annealEpochs: z.number().nonnegative().default(1),
      cycleEpochs: z.int().nonnegative().default(0),
    })
    .optional(),
  groups: z.array(groupSection).optional(),
  earlyStopping: z
    .union([z.literal(false), z.strictObject({ patience: positive, minDelta: z.number().nonnegative().default(0) })])
    .default(false),
  monitor: z.string().optional(),
})

/** How a dataset without given splits is divided. */
export const splitSection: z.ZodType<SplitSection, SplitInput> = z.strictObject({
  validation: z.number().min(0).lt(1).default(0.1),
  test: z.number().min(0).lt(1).default(0.1),
  stratified: z.boolean().default(true),
  folds: z.int().min(2).optional(),
  fold: z.int().nonnegative().default(0),
  repeat: z.int().nonnegative().default(0),
})

/** Names of models stand in paths and addresses. */
export const modelName: RegExp = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

interface CommonSections {
  readonly name: z.ZodOptional<z.ZodString>
  readonly seed: z.ZodDefault<z.ZodInt>
  readonly device: z.ZodDefault<z.ZodEnum<{ [D in (typeof devices)[number]]: D }>>
  readonly threads: z.ZodOptional<z.ZodInt>
  readonly train: z.ZodPrefault<z.ZodType<TrainSection, TrainInput>>
}

/** Sections that every task has. */
export const commonSections: CommonSections = {
  /** names the model in bundles and on the server; default: the folder's name */
  name: z.string().regex(modelName, 'must be letters, digits, dots, dashes or underscores').optional(),
  /** everything random is drawn from it: the same seed gives the same model */
  seed: z.int().nonnegative().default(0),
  device: z.enum(devices).default('cpu'),
  /** threads of the runtime; default: one for each physical core */
  threads: positive.optional(),
  train: trainSection.prefault({}),
}
