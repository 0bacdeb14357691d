/** Lower the rate when a metric stops improving. The only schedule with a memory, which belongs in the checkpoint. */
import { QuernError } from '../core/errors.ts'
import { choice, type Fields, type Given, number, readOptions } from './options.ts'
import { learningRateField, type Schedule, type ScheduleMemory } from './schedule.ts'

export interface PlateauOptions {
  /** rate at the start */
  readonly learningRate: number
  /** multiplies the rate at each reduction */
  readonly factor: number
  /** epochs without improvement before a reduction */
  readonly patience: number
  /** smallest change that counts as improvement, in the metric's own unit */
  readonly minDelta: number
  /** epochs after a reduction in which waiting does not count */
  readonly cooldown: number
  /** the rate never falls below */
  readonly minLearningRate: number
  /** 'min': lower is better (loss); 'max': higher is better (accuracy) */
  readonly mode: 'min' | 'max'
}

const fields: Fields<PlateauOptions> = {
  learningRate: learningRateField,
  factor: number(0.1, { above: 0, below: 1 }),
  patience: number(10, { minimum: 1, whole: true }),
  minDelta: number(1e-4, { minimum: 0 }),
  cooldown: number(0, { minimum: 0, whole: true }),
  minLearningRate: number(0, { minimum: 0 }),
  mode: choice('min', 'max'),
}

/**
 * Keras' ReduceLROnPlateau.
 *
 * @example
 * const schedule = reduceOnPlateau({ learningRate: 0.001, patience: 3 })
 * schedule.memory?.observe(validationLoss)   // once an epoch
 */
export function reduceOnPlateau(options: Given<PlateauOptions>): Schedule {
  const config = readOptions('reduceOnPlateau', options, fields)
  const memory = createMemory(config)
  return {
    name: 'reduceOnPlateau',
    config: { name: 'reduceOnPlateau', ...config },
    at: () => memory.rate(),
    memory,
  }
}

function createMemory(config: PlateauOptions): ScheduleMemory & { rate(): number } {
  const { factor, patience, minDelta, cooldown, minLearningRate, mode } = config
  // `best` is absent until the first epoch
  let state: { rate: number; wait: number; rest: number; best?: number } = {
    rate: config.learningRate,
    wait: 0,
    rest: 0,
  }
  return {
    rate: () => state.rate,
    observe(metric) {
      if (Number.isNaN(metric)) throw new QuernError('numeric', 'reduceOnPlateau watches a metric that became NaN')
      let { rate, wait, rest, best } = state
      if (rest > 0) {
        rest--
        wait = 0
      }
      if (best === undefined || (mode === 'min' ? metric < best - minDelta : metric > best + minDelta)) {
        best = metric
        wait = 0
      } else if (rest === 0) {
        wait++
        if (wait >= patience && rate > minLearningRate) {
          rate = Math.max(rate * factor, minLearningRate)
          rest = cooldown
          wait = 0
        }
      }
      state = { rate, wait, rest, best }
    },
    save: () => ({ ...state }),
    load(saved) {
      const { rate, wait, rest, best } = saved
      if (rate === undefined || wait === undefined || rest === undefined) {
        throw new QuernError(
          'input',
          `the state of reduceOnPlateau holds rate, wait and rest, received ${JSON.stringify(saved)}`,
        )
      }
      state = best === undefined ? { rate, wait, rest } : { rate, wait, rest, best }
    },
  }
}
