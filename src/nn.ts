/** The entry `quern/nn`: layers, losses, optimizers and schedules, for networks of one's own. */
export * from './nn/index.ts'
export {
  adam,
  adamw,
  constant,
  cosine,
  createOptimizer,
  createSchedule,
  exponential,
  type NamedConfig,
  type Optimizer,
  oneCycle,
  reduceOnPlateau,
  type Schedule,
  sgd,
  step,
  warmup,
} from './optim/index.ts'
