/**
 * What the thread that trains and the one that works ahead have in common: slots of batches in shared memory, and who may write which. A batch of a
 * run has a ticket, counted up over its epochs; ticket t goes into slot t % slots. The thread ahead fills the tickets from the one that is wanted on,
 * as many as there are slots, into the next epoch too; the one that trains takes what is done, and makes itself what was not begun, so that neither ever waits long for a
 * thread that died or is late.
 */
import type { Tensor } from '../core/tensor.ts'
import type { AugmentConfig } from './augment.ts'

export const slots = 8
/** The thread ahead is woken when as many slots as this are free, not for each: it wakes on a processor that is at work, and takes it for a while. */
export const wakes: number = slots / 2

/** Places in the shared numbers. Behind them each slot has a state: 2 t while ticket t is written, 2 t + 1 when it is done. */
export const at = {
  /** raised at each change that the thread ahead must see; it sleeps on it */
  signal: 0,
  /** ticket that is trained on next */
  wanted: 1,
  /** odd while an epoch is being set up */
  generation: 2,
  /** first ticket of the epoch */
  first: 3,
  /** raised when an epoch begins that does not follow the one before: what was made ahead for that is of no use */
  line: 4,
  epoch: 5,
  stop: 6,
  states: 7,
} as const

export const stateOf = (ticket: number): number => at.states + (ticket % slots)
export const writing = (ticket: number): number => 2 * ticket
export const done = (ticket: number): number => 2 * ticket + 1

/** What the thread ahead is sent when there is work; arrays are shared memory. */
export interface Ahead {
  readonly numbers: Int32Array<SharedArrayBuffer>
  readonly columns: Readonly<Record<string, Tensor>>
  /** storage rows of the epoch and of the next one: those of even epochs, then those of odd ones */
  readonly orders: Int32Array<SharedArrayBuffer>
  /** examples of an epoch */
  readonly length: number
  /** batches of an epoch */
  readonly steps: number
  readonly batchSize: number
  /** by column: memory of all slots, one behind the other */
  readonly slots: Readonly<Record<string, Uint8Array<SharedArrayBuffer>>>
  readonly augment: { readonly column: string; readonly config: AugmentConfig }
  readonly repeats: boolean
  readonly random: { readonly seed: number; readonly stream: number }
}
