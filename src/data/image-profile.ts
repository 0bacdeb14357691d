/** What is known of an image dataset, as plain JSON: the result of profile.ts, read by reports and the advice. */
import type { PictureMode } from './image-decoder.ts'
import type { SourceReport } from './source.ts'

/** A list that may be long: its length and its first entries. */
export interface Sample<T> {
  readonly count: number
  readonly first: readonly T[]
}

export interface DuplicateGroup {
  /** 'split: name' of each picture with these pixels */
  readonly examples: readonly string[]
  readonly splits: readonly string[]
  /** classes that the pictures have; more than one is a contradiction */
  readonly labels: readonly string[]
}

export interface OriginalsProfile {
  readonly height: { readonly min: number; readonly median: number; readonly max: number }
  readonly width: { readonly min: number; readonly median: number; readonly max: number }
  /** the commonest sizes */
  readonly sizes: readonly { readonly height: number; readonly width: number; readonly count: number }[]
  readonly modes: Readonly<Partial<Record<PictureMode, number>>>
  /** pictures that are enlarged, in height or width */
  readonly enlarged: number
}

export interface ImageProfile {
  readonly kind: 'images'
  readonly examples: number
  /** of one example: [channels, height, width] */
  readonly shape: readonly number[]
  readonly labels: readonly string[]
  /** examples and counts of the classes (in the order of `labels`) of each split */
  readonly splits: Readonly<Record<string, { readonly examples: number; readonly classes: readonly number[] }>>
  /** counts of the classes over all splits, largest divided by smallest */
  readonly imbalance: { readonly largest: string; readonly smallest: string; readonly ratio: number }
  /** of the training split, or of everything where there is no split */
  readonly pixels: { readonly mean: readonly number[]; readonly std: readonly number[] }
  readonly originals?: OriginalsProfile
  readonly broken: SourceReport['broken']
  readonly ignored: SourceReport['ignored']
  readonly duplicates: {
    /** groups of the same pixels; `extra` counts the pictures beyond the first of each group */
    readonly groups: Sample<DuplicateGroup>
    readonly extra: number
    /** examples of validation and test whose pixels are in the training split too */
    readonly leaked: Readonly<Record<string, number>>
    /** groups whose pictures have different classes */
    readonly contradictions: Sample<DuplicateGroup>
  }
  /** pairs that are almost the same; undefined when they were not looked for */
  readonly near?: Sample<DuplicateGroup>
  readonly constant: Sample<string>
  /** sentences, the most urgent first */
  readonly advice: readonly string[]
}
