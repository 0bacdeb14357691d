/** The learning rate over a run, as a record. */
import { QuernError } from '../core/errors.ts'
import type { NamedConfig } from './optimizer.ts'
import { type Field, number } from './options.ts'

/** What a schedule remembers between epochs: part of a checkpoint. */
export interface ScheduleMemory {
  /** Tells it the watched metric, once an epoch. @throws QuernError 'numeric' when it is NaN */
  observe(metric: number): void
  /** plain JSON */
  save(): Readonly<Record<string, number>>
  load(state: Readonly<Record<string, number>>): void
}

export interface Schedule {
  readonly name: string
  readonly config: NamedConfig
  /**
   * Learning rate of an update.
   * @param step updates done before it, from 0
   * @param total updates of the whole run
   */
  at(step: number, total: number): number
  /** undefined when the rate depends on the step alone */
  readonly memory: ScheduleMemory | undefined
}

/** A number of updates; up to 1 it is a share of the run: 500 updates, or 0.05 of them. */
export const amountField = (preset: number | undefined): Field<number> => {
  const field = number(preset, { above: 0 })
  return { ...field, expected: 'a number of updates above 1, or a share of the run > 0 and <= 1' }
}

/** Updates that an amount stands for in a run of `total`. */
export function updatesOf(amount: number, total: number): number {
  return amount <= 1 ? amount * total : amount
}

export const learningRateField: Field<number> = number(undefined, { minimum: 0 })

/** @throws QuernError unless `0 <= step` and `total` is a number of updates */
export function checkStep(step: number, total: number): void {
  if (step >= 0 && total > 0 && total < Infinity) return
  throw new QuernError('input', `a schedule needs step >= 0 and the run's total > 0, received step ${step} of ${total}`)
}
