/** Warm-up in front of any schedule (Goyal et al., "Accurate, large minibatch SGD", 2017). */
import { QuernError } from '../core/errors.ts'
import { readOptions } from './options.ts'
import { amountField, checkStep, type Schedule, updatesOf } from './schedule.ts'

export interface WarmupOptions {
  /** updates (up to 1: share of the run) in which the rate rises */
  readonly steps: number
  /** the schedule for the rest of the run, which sees step 0 when the warm-up ends */
  readonly schedule: Schedule
}

/**
 * Rises in equal steps to the first rate of the schedule behind it, which it first reaches when it ends; no update
 * is spent at rate 0.
 *
 * @example
 * const rate = warmup({ steps: 0.05, schedule: cosine({ learningRate: 0.001 }) })
 */
export function warmup({ steps, schedule }: WarmupOptions): Schedule {
  readOptions('warmup', { steps }, { steps: amountField(undefined) })
  return {
    name: 'warmup',
    config: { name: 'warmup', steps, schedule: schedule.config },
    memory: schedule.memory,
    at(step, total) {
      checkStep(step, total)
      const rise = Math.round(updatesOf(steps, total))
      if (rise >= total) {
        throw new QuernError('config', `a warm-up of ${rise} updates leaves nothing of a run of ${total}`, {
          hint: "Lower the option 'steps' of warmup, or train for longer.",
        })
      }
      if (step >= rise) return schedule.at(step - rise, total - rise)
      return (schedule.at(0, total - rise) * (step + 1)) / (rise + 1)
    },
  }
}
