/** What the past tells of how long runs of a model take, for each size of a batch. */

/** Sizes 1, 2 to 3, 4 to 7 and so on: within one, a run takes at most about twice as long. */
const classOf = (rows: number): number => 31 - Math.clz32(Math.max(1, rows))

export class RunTimes {
  /** ms by class; holes where nothing is known */
  readonly #times: (number | undefined)[] = []
  #count = 0

  /** runs that were noted */
  get count(): number {
    return this.#count
  }

  /**
   * Keeps the time below which a third of the runs of this size stay: what one takes when nothing interrupts it. A mean, and on a machine that is busy even a median, would measure
   * the neighbours.
   */
  note(rows: number, milliseconds: number): void {
    this.#count++
    const size = classOf(rows)
    const known = this.#times[size]
    // Down by two steps, up by one: in balance where about a third lies below.
    this.#times[size] = known === undefined ? milliseconds : known * (milliseconds < known ? 0.94 : 1.03)
  }

  /** ms; of a size that is not known, in proportion to the next smaller one that is, or as long as the smallest that is. Infinity when nothing is known. */
  expect(rows: number): number {
    const size = classOf(rows)
    for (let smaller = size; smaller >= 0; smaller--) {
      const known = this.#times[smaller]
      if (known !== undefined) return known * 2 ** (size - smaller)
    }
    return this.#times.find((known) => known !== undefined) ?? Infinity
  }
}
