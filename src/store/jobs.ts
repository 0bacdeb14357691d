/**
 * Batch jobs as a port: what was asked for and how far it is, the file with the rows, the file with the results. Whatever is computed twice is
 * written once: a record says how many bytes of both files belong together, and what stands behind them in the results is cut off.
 */

/** `queued` and `running` go on after a restart; the others are ends. */
export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled'

export const jobFormats = ['csv', 'jsonl'] as const
export type JobFormat = (typeof jobFormats)[number]

/** A place at which all is written: between two rows. */
export interface JobPosition {
  /** bytes of the rows' file */
  readonly input: number
  /** line of that file that comes next, from 1 */
  readonly line: number
  /** that have a result, those that failed among them */
  readonly rows: number
  readonly failed: number
  /** bytes of the results' file */
  readonly result: number
}

export interface JobFailure {
  /** counted from 1, without the header */
  readonly row: number
  readonly line: number
  readonly reason: string
}

export interface JobRecord {
  readonly id: string
  /** id of the key that made it */
  readonly owner: string
  /** of the owner's requests; decides among jobs */
  readonly priority: number
  readonly model: string
  readonly version: string
  /** names the model's weights: another model under the same name does not finish what this one began */
  readonly content: string
  /** of the rows */
  readonly format: JobFormat
  readonly results: JobFormat
  readonly topK: number
  /** name of the file, for people */
  readonly file?: string | undefined
  /** of the rows' file */
  readonly bytes: number
  readonly state: JobState
  /** ISO 8601, as all times */
  readonly created: string
  readonly started?: string | undefined
  readonly ended?: string | undefined
  /** it and its files are removed from then on */
  readonly expires?: string | undefined
  readonly done: JobPosition
  /** why it ended before its last row */
  readonly failure?: string | undefined
  /** the first rows that failed */
  readonly failures: readonly JobFailure[]
}

export interface JobStore {
  /** Claims the folder for this process and removes uploads that were never finished. False when another process that runs has it. */
  claim(): Promise<boolean>
  /** Every job, oldest first. One whose record cannot be read is left where it is, and named to `onDamaged`. */
  list(onDamaged: (id: string, why: string) => void): Promise<readonly JobRecord[]>
  /** Keeps the rows of a job that has no record yet; resolves with their number of bytes. Nothing is left of them when it fails. */
  putInput(id: string, chunks: AsyncIterable<Uint8Array>): Promise<number>
  /** The same with a copy of a file in the folder that the server's configuration names. Throws `input`, `missing`, and for files that are too long. */
  copyInput(id: string, name: string, most: number): Promise<number>
  /** Replaces the record, whole. */
  save(record: JobRecord): Promise<void>
  /** The rows' file from a byte on. */
  readInput(id: string, from: number): AsyncIterable<Uint8Array>
  /** Writes results behind `at` and cuts off what stood there; they are on the disk when it resolves. */
  addResult(id: string, at: number, bytes: Uint8Array): Promise<void>
  /** Bytes `from` up to, not including, `to` of the results. */
  readResult(id: string, from: number, to: number): AsyncIterable<Uint8Array>
  /** With all of its files. */
  remove(id: string): Promise<void>
  /** Lets another process claim the folder. */
  release(): Promise<void>
}
