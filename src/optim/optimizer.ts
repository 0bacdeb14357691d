/**
 * An optimizer is a record: what it keeps per parameter, and how it changes a run of parameters given their
 * gradients. It holds no state: slots are regions of the arena, so a checkpoint of the arena is complete.
 */
import type { StaticShape } from '../core/shape.ts'
import type { Kernels, UpdateTarget } from '../runtime/kernels/kernels.ts'

/** Neighbouring parameters that are updated alike: addresses in the arena's memory, resolved by segments.ts. */
export interface Segment extends UpdateTarget {
  /** address in each slot's region, in the order of the optimizer's slots */
  readonly slots: readonly number[]
  /** of the one parameter, for optimizers that go parameter by parameter; of the elements in a row otherwise */
  readonly shape: StaticShape
  /** multiplies weight decay and the L1/L2 penalties; 0 for biases and normalisation */
  readonly decayFactor: number
  /** multiplies the learning rate; 0 freezes */
  readonly learningRateFactor: number
}

export interface UpdateScalars {
  readonly learningRate: number
  /** number of this update, from 1 */
  readonly step: number
  /** multiplies the gradients as they are read: averaging and clipping by norm cost no pass of their own */
  readonly gradientScale: number
}

/** Plain JSON that `createOptimizer` and `createSchedule` turn back into the record. */
export interface NamedConfig {
  readonly name: string
  readonly [option: string]: unknown
}

export interface Optimizer {
  readonly name: string
  /** every option, defaults included; `learningRate` is the base that a schedule starts from */
  readonly config: NamedConfig & { readonly learningRate: number }
  /** regions of the arena that it keeps, each zero at the start and with the layout of the parameters, unless `slotShape` differs */
  readonly slots: readonly string[]
  /** what a slot holds for a parameter of some shape, where that is not one number for each element; such optimizers are `byParameter` */
  slotShape?(slot: string, parameter: StaticShape): StaticShape
  /** each parameter is a segment of its own, for rules that look at the norms of one; default false */
  readonly byParameter?: boolean
  update(kernels: Kernels, segment: Segment, scalars: UpdateScalars): void
}

const flushInterval = 32

/**
 * Takes averages that have all but vanished to 0, every 32 updates, see Kernels.flush: from 2^-90 an average with a
 * decay of 0.5 or slower does not become denormal within 32. It depends on the step alone, so a resumed run does the same.
 */
export function flushSlots(kernels: Kernels, segment: Segment, step: number): void {
  if (step % flushInterval !== 0) return
  for (const slot of segment.slots) kernels.flush(slot, segment.count)
}
