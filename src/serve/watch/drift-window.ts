/** The last examples of one version as counts in the bins of its training split: a ring, so that each new one takes the place of the oldest. */
import { binner, shortName } from '../../bundle/profile/bins.ts'
import { type Drift, driftOf } from '../../bundle/profile/drift.ts'
import type { Measures } from '../../bundle/profile/measures.ts'
import type { Bins } from '../../contract/training-profile.ts'
import type { NamedTensors } from '../../runtime/backend.ts'

/** Examples of one run that are looked at, evenly spread: a request of a thousand costs no more. */
const mostOfRun = 16

export interface MeasuredDrift extends Drift {
  /** of the measure: a column, the brightness of pictures, the confidence of answers */
  readonly name: string
}

interface Watched {
  readonly bins: Bins
  /** its place among the measures */
  readonly at: number
  readonly binOf: (value: number) => number
  /** one for each bin, then those that are missing */
  readonly counts: Float64Array
}

export class DriftWindow {
  readonly #measures: Measures
  readonly #watched: readonly Watched[]
  readonly #ring: Uint8Array
  readonly #size: number
  readonly #values: Float64Array
  /** examples that were ever added */
  seen = 0

  /** Watches the measures that the profile knows; `size` examples. */
  constructor(measures: Measures, profile: readonly Bins[], size: number) {
    this.#measures = measures
    this.#size = size
    this.#values = new Float64Array(measures.list.length)
    this.#watched = measures.list.flatMap((measure, at): Watched[] => {
      const bins = profile.find(
        ({ name, kind }) => name === shortName(measure.name) && (kind === 'names') === (measure.values !== undefined),
      )
      if (!bins) return []
      return [{ bins, at, binOf: binner(bins, measure), counts: new Float64Array(bins.counts.length + 1) }]
    })
    this.#ring = new Uint8Array(size * this.#watched.length)
  }

  get watches(): boolean {
    return this.#watched.length > 0
  }

  /** examples in it now */
  get examples(): number {
    return Math.min(this.seen, this.#size)
  }

  /** Takes in the rows of a run. */
  add(tensors: NamedTensors, rows: number): void {
    const step = Math.max(1, Math.ceil(rows / mostOfRun))
    for (let row = 0; row < rows; row += step) {
      this.#measures.read(tensors, row, this.#values)
      const start = (this.seen % this.#size) * this.#watched.length
      const isFull = this.seen >= this.#size
      for (let i = 0; i < this.#watched.length; i++) {
        const { at, binOf, counts } = this.#watched[i]!
        if (isFull) counts[this.#ring[start + i]!]!--
        const bin = binOf(this.#values[at]!)
        counts[bin]!++
        this.#ring[start + i] = bin
      }
      this.seen++
    }
  }

  report(): MeasuredDrift[] {
    return this.#watched.map(({ bins, counts }) => ({ name: bins.name, ...driftOf(bins, counts) }))
  }
}
