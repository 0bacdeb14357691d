/**
 * Checkpoints: everything that a run needs to go on as if it had never stopped. `last` holds parameters, states, optimiser slots
 * and the loop's position; `best` holds parameters and states alone. One safetensors file each; the position is in its metadata.
 */
import { QuernError } from '../core/errors.ts'
import { formatShape, sameShape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { readSafetensors, writeSafetensors } from '../formats/safetensors.ts'
import type { EpochEvent } from '../contract/events.ts'

export type CheckpointKind = 'last' | 'best'

/** Where checkpoints are kept. `write` replaces the old one as a whole or leaves it as it was. */
export interface CheckpointStore {
  write(kind: CheckpointKind, bytes: Uint8Array): Promise<void>
  read(kind: CheckpointKind): Promise<Uint8Array | undefined>
}

/** Position of the loop, as plain JSON. */
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
  /** states of the running metrics */
  readonly scores: readonly unknown[]
  readonly history: readonly EpochEvent[]
  readonly best: { readonly epoch: number; readonly value: number } | undefined
  /** epochs since the best */
  readonly waited: number
  readonly schedule: Readonly<Record<string, number>> | undefined
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

export function encodeCheckpoint(tensors: ReadonlyMap<string, Tensor>, position: Position): Uint8Array {
  return writeSafetensors({ tensors, metadata: { format: 'quern checkpoint 1', position: JSON.stringify(position) } })
}

/**
 * Writes a checkpoint's tensors into the views of a training step and returns its position. All names and shapes are checked
 * before the first element is written, so a checkpoint that does not fit changes nothing.
 */
export function restoreCheckpoint(bytes: Uint8Array, into: ReadonlyMap<string, Tensor>, what: string): Position {
  const { tensors, metadata } = readSafetensors(bytes, what)
  if (metadata['format'] !== 'quern checkpoint 1' || metadata['position'] === undefined) {
    throw new QuernError('input', `${what} is not a checkpoint of Quern: its format is ${metadata['format'] ?? 'not named'}`)
  }
  const position = JSON.parse(metadata['position']) as Position
  for (const [name, { shape }] of into) {
    const found = tensors.get(name)
    if (found && sameShape(found.shape, shape)) continue
    throw new QuernError(
      'input',
      `${what} does not fit the model: '${name}' is ${formatShape(shape)} in the model and ${found ? formatShape(found.shape) : 'absent'} in the checkpoint`,
      { hint: 'Resume with the configuration that the run was started with, or start a new run.' },
    )
  }
  for (const [name, view] of into) (view.data as Float32Array).set(tensors.get(name)!.data as Float32Array)
  return position
}
