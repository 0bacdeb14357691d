/** The entry `quern/nn`: layers, losses, optimizers and schedules, for networks of one's own. */
export { type FineTuned, type FineTuneOptions, fineTune } from './actions/fine-tune.ts'
export { type FitOptions, type FittedModel, fit, type NamedColumns } from './actions/fit.ts'
export {
  type FitObjectivesOptions,
  type FittedModels,
  fitObjectives,
  type ObjectiveOptions,
} from './actions/fit-objectives.ts'
export type { OutputLoss } from './actions/fit-targets.ts'
export type { TrainingOptions } from './actions/run-fit.ts'
export type { BaseEvent } from './actions/start-from.ts'
export * from './adapters/index.ts'
export type { TrainEvent } from './contract/events.ts'
export type { Pattern } from './core/patterns.ts'
export { createRandom, type Random } from './core/random.ts'
export { float32, int64, type Tensor, tensor } from './core/tensor.ts'
export { createTokenizer, type EncodeOptions, type Tokenizer, type Tokens } from './data/tokenizer.ts'
export * from './nn/index.ts'
export { type ReadModel, readModel } from './onnx/read.ts'
export {
  adadelta,
  adafactor,
  adagrad,
  adam,
  adamw,
  constant,
  cosine,
  createOptimizer,
  createSchedule,
  exponential,
  lamb,
  lion,
  type NamedConfig,
  nadam,
  type Optimizer,
  oneCycle,
  radam,
  reduceOnPlateau,
  rmsprop,
  type Schedule,
  sgd,
  step,
  warmup,
} from './optim/index.ts'
export type { ApplyMode, ObjectiveContext, Order } from './train/network.ts'
export { layerwiseDecay, type ParameterGroup } from './train/parameter-groups.ts'
