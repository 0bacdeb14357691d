/** Optimizers and schedules by name, and from the plain JSON of a configuration or a checkpoint. */
import { QuernError, suggestion } from '../core/errors.ts'
import { adafactor } from './adafactor.ts'
import { adadelta, adagrad } from './adagrad.ts'
import { adam, adamw } from './adam.ts'
import { lamb } from './lamb.ts'
import { lion } from './lion.ts'
import { nadam, radam } from './nadam.ts'
import type { NamedConfig, Optimizer } from './optimizer.ts'
import { reduceOnPlateau } from './plateau.ts'
import { rmsprop } from './rmsprop.ts'
import type { Schedule } from './schedule.ts'
import { constant, cosine, exponential, oneCycle, step } from './schedules.ts'
import { sgd } from './sgd.ts'
import { warmup } from './warmup.ts'

type Options = Readonly<Record<string, unknown>>

/** The table of optimizers: one line each. */
export const optimizers: Readonly<Record<string, (options: Options) => Optimizer>> = {
  sgd,
  adam,
  adamw,
  nadam,
  radam,
  rmsprop,
  adagrad,
  adadelta,
  adafactor,
  lion,
  lamb,
}

/** The table of schedules that stand alone; `warmup` wraps one of them. */
export const schedules: Readonly<Record<string, (options: Options) => Schedule>> = {
  constant,
  step,
  exponential,
  cosine,
  oneCycle,
  reduceOnPlateau,
}

function pick<T>(kind: string, table: Readonly<Record<string, T>>, name: unknown, known: readonly string[]): T {
  if (typeof name === 'string' && Object.hasOwn(table, name)) return table[name]!
  throw new QuernError('config', `unknown ${kind} ${JSON.stringify(name)}. ${suggestion(String(name), known)}`)
}

/**
 * An optimizer from its name or its config. `createOptimizer(o.config)` equals `o`.
 *
 * @throws QuernError 'config' for an unknown name or option, with the nearest known one
 * @example
 * createOptimizer('adam')
 * createOptimizer({ name: 'sgd', learningRate: 0.1, momentum: 0.9 })
 */
export function createOptimizer(config: string | NamedConfig): Optimizer {
  const { name, ...options } = typeof config === 'string' ? { name: config } : config
  if (typeof name === 'string' && /^l-?bfgs(-?b)?$/i.test(name)) throw needsWholeLoss(name)
  return pick('optimizer', optimizers, name, Object.keys(optimizers))(options)
}

/**
 * L-BFGS compares losses and gradients along a line, which must be those of one function: of the whole training set, without masks that are
 * drawn anew. An optimizer here sees one gradient of one batch at a time.
 */
function needsWholeLoss(name: string): QuernError {
  return new QuernError(
    'unsupported',
    `optimizer '${name}' needs the loss of the whole training set several times a step; training here goes by batches`,
    {
      hint: "For a small model, { name: 'adam', learningRate: 0.01 } with the schedule 'cosine' and batchSize set to all examples comes close.",
    },
  )
}

/**
 * A schedule from its name or its config; `learningRate` is used where the config gives none.
 *
 * @throws QuernError 'config' for an unknown name or option, with the nearest known one
 * @example
 * createSchedule('cosine', optimizer.config)
 * createSchedule({ name: 'warmup', steps: 100, schedule: { name: 'cosine' } }, { learningRate: 0.001 })
 */
export function createSchedule(config: string | NamedConfig, base: { readonly learningRate?: number } = {}): Schedule {
  const { name, ...options } = typeof config === 'string' ? { name: config } : config
  if (name === 'warmup') return createWarmup(options, base)
  const known = [...Object.keys(schedules), 'warmup']
  const { learningRate } = base
  return pick('schedule', schedules, name, known)(learningRate === undefined ? options : { learningRate, ...options })
}

function createWarmup(
  { schedule = 'constant', steps, ...rest }: Options,
  base: { readonly learningRate?: number },
): Schedule {
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) {
    throw new QuernError('config', `warmup has no option '${unknown}'. ${suggestion(unknown, ['steps', 'schedule'])}`)
  }
  if (typeof schedule !== 'string' && !(typeof schedule === 'object' && schedule !== null && 'name' in schedule)) {
    throw new QuernError('config', `option 'schedule' of warmup must name one, received ${JSON.stringify(schedule)}`)
  }
  return warmup({ steps: steps as number, schedule: createSchedule(schedule as string | NamedConfig, base) })
}

export type { NamedConfig, Optimizer, Segment, UpdateScalars } from './optimizer.ts'
export type { Schedule, ScheduleMemory } from './schedule.ts'
export {
  adadelta,
  adafactor,
  adagrad,
  adam,
  adamw,
  constant,
  cosine,
  exponential,
  lamb,
  lion,
  nadam,
  oneCycle,
  radam,
  reduceOnPlateau,
  rmsprop,
  sgd,
  step,
  warmup,
}
