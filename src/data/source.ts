/** What every source of data hands over, whatever it reads. Adapters (`*-source.ts`) are the only files here that do IO. */
import type { CleaningStep } from '../contract/clean.ts'
import type { Dataset } from './dataset.ts'

export const splitNames = ['train', 'validation', 'test'] as const
export type SplitName = (typeof splitNames)[number]

/** Names of folders that are splits, in lower case. */
export const splitFolders: Readonly<Record<string, SplitName>> = {
  train: 'train',
  training: 'train',
  validation: 'validation',
  valid: 'validation',
  val: 'validation',
  dev: 'validation',
  test: 'test',
  testing: 'test',
}

/** Something that was found but not used, and why. */
export interface Skipped {
  /** path relative to the source */
  readonly name: string
  readonly reason: string
}

export interface SourceReport {
  /** examples that were read */
  readonly examples: number
  /** examples that could not be read (broken pictures): data that the user meant to use */
  readonly broken: readonly Skipped[]
  /** files that are no examples (hidden files, other endings, symbolic links that lead nowhere) */
  readonly ignored: readonly Skipped[]
  /** examples taken from the cache */
  readonly cached: number
  /** things worth a sentence, such as a cache that could not be written */
  readonly warnings: readonly string[]
  /** what each cleaning rule did; absent where there are none */
  readonly cleaned?: readonly CleaningStep[] | undefined
}

/** The data as one dataset, or as the splits that the source itself gives. */
export interface Loaded {
  /** present when the source has no splits of its own */
  readonly all?: Dataset
  /** present when it has */
  readonly splits?: Readonly<Partial<Record<SplitName, Dataset>>>
  readonly report: SourceReport
}
