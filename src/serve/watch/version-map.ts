/** What is kept of each version of each model, by both names: a key made of the two would be a new text, to be hashed, at every request. */
export class VersionMap<T> {
  readonly #models = new Map<string, Map<string, T>>()

  get(model: string, version: string): T | undefined {
    return this.#models.get(model)?.get(version)
  }

  set(model: string, version: string, value: T): void {
    const versions = this.#models.get(model)
    if (versions) versions.set(version, value)
    else this.#models.set(model, new Map([[version, value]]))
  }

  *values(): Generator<T> {
    for (const versions of this.#models.values()) yield* versions.values()
  }

  /** Forgets what is not there any more. @returns what was forgotten, with its names */
  keep(isThere: (model: string, version: string) => boolean): { model: string; version: string; value: T }[] {
    const gone: { model: string; version: string; value: T }[] = []
    for (const [model, versions] of this.#models) {
      for (const [version, value] of versions) {
        if (isThere(model, version)) continue
        versions.delete(version)
        gone.push({ model, version, value })
      }
      if (versions.size === 0) this.#models.delete(model)
    }
    return gone
  }
}
