/**
 * Checkpoints: everything that a run needs to go on as if it had never stopped. `last` holds parameters, states, optimiser slots
 * and the loop's position; `best` holds parameters and states alone. One safetensors file each; the position is in its metadata.
 */

import type { EpochEvent } from '../contract/events.ts'
import { QuernError } from '../core/errors.ts'
import { formatShape, sameShape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { readSafetensors, writeSafetensors } from '../formats/safetensors.ts'

export type CheckpointKind = 'last' | 'best'

/** Where checkpoints are kept. `write` replaces the old one as a whole or leaves it as it was. */
export interface CheckpointStore {
  write(kind: CheckpointKind, bytes: Uint8Array): Promise<void>
  read(kind: CheckpointKind): Promise<Uint8Array | undefined>
}

/** A mean in the making: the sum, weighted by examples, and their number. */
export interface MeanSoFar {
  readonly sum: number
  readonly examples: number
}

/** Position of the loop, as plain JSON: every number in it is finite. */
export interface Position {
  /** optimiser steps done */
  readonly step: number
  /** epoch that is going on or comes next, from 1 */
  readonly epoch: number
  /** steps done of it */
  readonly stepOfEpoch: number
  /** sum of the losses of those steps, weighted by examples, and the number of examples */
  readonly lossSum: number
  readonly examples: number
  /** the same two for each named loss, of the steps that it took part in */
  readonly losses?: Readonly<Record<string, MeanSoFar>>
  /** states of the running metrics */
  readonly scores: readonly unknown[]
  readonly history: readonly EpochEvent[]
  readonly best: { readonly epoch: number; readonly value: number } | undefined
  /** monitored value that early stopping compares with, and epochs since an improvement on it */
  readonly reference: number | undefined
  readonly waited: number
  readonly schedule: Readonly<Record<string, number>> | undefined
  /** last epoch whose weights were taken into their mean */
  readonly averagedEpoch?: number
  /** what must be equal for the run to be the same run */
  readonly fingerprint: string
}

/** Checkpoints that live as long as the process: for runs that need no files. */
export function memoryCheckpoints(): CheckpointStore {
  const kept = new Map<CheckpointKind, Uint8Array>()
  return {
    write: async (kind, bytes) => void kept.set(kind, bytes),
    read: async (kind) => kept.get(kind),
  }
}

const checkpointFormat = 'quern checkpoint 1'

export function encodeCheckpoint(tensors: ReadonlyMap<string, Tensor>, position: Position): Uint8Array {
  return writeSafetensors({ tensors, metadata: { format: checkpointFormat, position: JSON.stringify(position) } })
}

export interface Checkpoint {
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly position: Position
}

/** Reads a checkpoint and changes nothing. `what` names it in messages. Throws `input` that says what is wrong with it. */
export function decodeCheckpoint(bytes: Uint8Array, what: string): Checkpoint {
  const { tensors, metadata } = readSafetensors(bytes, what)
  if (metadata.format !== checkpointFormat || metadata.position === undefined) {
    throw new QuernError(
      'input',
      `${what} is not a checkpoint of Quern: its format is ${metadata.format ?? 'not named'}, expected '${checkpointFormat}'`,
    )
  }
  return { tensors, position: parsePosition(metadata.position, what) }
}

const counters = ['step', 'epoch', 'stepOfEpoch', 'examples', 'waited'] as const

function parsePosition(json: string, what: string): Position {
  let position: Partial<Position> | null = null
  try {
    position = JSON.parse(json) as Partial<Position> | null
  } catch {
    // Text that is no JSON is as damaged as JSON of another kind.
  }
  const isWhole = (v: unknown) => Number.isSafeInteger(v) && (v as number) >= 0
  const isPosition =
    position !== null &&
    typeof position === 'object' &&
    counters.every((key) => isWhole(position[key])) &&
    Number.isFinite(position.lossSum) &&
    Array.isArray(position.scores) &&
    Array.isArray(position.history) &&
    typeof position.fingerprint === 'string'
  if (isPosition) return position as Position
  throw new QuernError('input', `${what} is damaged: it does not say where the run stood`)
}

/**
 * Writes a checkpoint's tensors into the views of a training step. All names, types and shapes are checked before the first
 * element is written, so a checkpoint that does not fit changes nothing.
 */
export function restoreTensors({ tensors }: Checkpoint, into: ReadonlyMap<string, Tensor>, what: string): void {
  const describe = (t: Tensor | undefined) => (t ? `${t.dtype} ${formatShape(t.shape)}` : 'absent')
  for (const name of new Set([...into.keys(), ...tensors.keys()])) {
    const [view, found] = [into.get(name), tensors.get(name)]
    if (view && found && found.dtype === view.dtype && sameShape(found.shape, view.shape)) continue
    throw new QuernError(
      'input',
      `${what} does not fit the model: '${name}' is ${describe(view)} in the model and ${describe(found)} in the checkpoint`,
      { hint: 'Resume with the configuration that the run was started with, or start a new run.' },
    )
  }
  for (const [name, view] of into) (view.data as Float32Array).set(tensors.get(name)!.data as Float32Array)
}
