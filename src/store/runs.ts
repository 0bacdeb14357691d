/**
 * Training runs as folders of files, over the blob port: `<id>/config.json`, `environment.json`, `data.json`, `events.jsonl`,
 * `checkpoints/last.safetensors` and `best.safetensors`, `bundle/`, `report.html`, `metrics.json`, `status.json`.
 */
import type { TrainEvent } from '../contract/events.ts'
import type { BlobStore } from '../core/ports.ts'

/** A run whose process ended without saying so reads as interrupted. */
export type RunState = 'running' | 'finished' | 'interrupted' | 'failed'

export interface RunStatus {
  readonly id: string
  readonly name: string
  readonly task: string
  readonly state: RunState
  /** ISO 8601 */
  readonly started: string
  /** the last sign of life, ISO 8601 */
  readonly updated: string
  readonly epochs: number
  readonly step: number
  /** scores of the best epoch, by 'validationAccuracy', 'loss', ... */
  readonly scores: Readonly<Record<string, number>>
  /** why it failed, or what is damaged */
  readonly error?: string
  /** who works on it while it is running */
  readonly process?: { readonly pid: number; readonly host: string }
}

export interface RunStore {
  /** Starts a run with an id that sorts by time: '20261123-141502-my-app'. */
  create(run: { name: string; task: string; config: unknown; environment: unknown }): Promise<Run>
  /** Runs, newest first. Damaged ones are listed as failed with the reason, never left out. */
  list(): Promise<RunStatus[]>
  /** A run by its id, by an unambiguous beginning of it, or 'latest'. Throws `missing` with the nearest id. */
  open(id: string): Promise<Run>
}

export interface Run {
  readonly id: string
  /** the run's folder */
  readonly files: BlobStore
  status(): Promise<RunStatus>
  /** Changes the status; `updated` is set to now, and `process` to this one while the run is running. */
  update(change: Partial<Omit<RunStatus, 'id' | 'updated' | 'process'>>): Promise<void>
  config(): Promise<unknown>
  /** Adds a line to events.jsonl. Of the step events, one a second at most is kept. */
  record(event: TrainEvent): Promise<void>
  /**
   * Epoch events and the others that were kept, in order, as of one uninterrupted run: what a run did after the checkpoint
   * from which it was resumed is left out. A torn last line is ignored.
   */
  events(): Promise<TrainEvent[]>
}
