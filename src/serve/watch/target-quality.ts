/** The last answers of one target whose labels came back, and the metrics of them. */
import type { Judged, TargetJudge } from './judge.ts'

export class TargetQuality {
  readonly judge: TargetJudge
  /** since the server began */
  labelled = 0
  readonly #window: number
  readonly #pairs: Judged[] = []
  /** of the pairs as they are; made when it is asked for */
  #metrics: Record<string, number> | undefined

  /** @param window pairs that are kept */
  constructor(judge: TargetJudge, window: number) {
    this.judge = judge
    this.#window = window
  }

  /** pairs that the metrics are of */
  get examples(): number {
    return this.#pairs.length
  }

  get metrics(): Readonly<Record<string, number>> {
    this.#metrics ??= this.#pairs.length === 0 ? {} : this.judge.score(this.#pairs)
    return this.#metrics
  }

  add(pair: Judged): void {
    this.labelled++
    this.#pairs.push(pair)
    this.#trim()
  }

  /** Those of an earlier server: older than all that there are, and not counted. */
  recall(pairs: readonly Judged[]): void {
    this.#pairs.unshift(...pairs)
    this.#trim()
  }

  #trim(): void {
    this.#metrics = undefined
    if (this.#pairs.length > this.#window) this.#pairs.splice(0, this.#pairs.length - this.#window)
  }
}
