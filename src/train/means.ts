/** Means of named losses over the examples of the steps that each took part in. */
import type { Scores } from '../contract/events.ts'
import type { MeanSoFar } from './checkpoint.ts'

export interface Means {
  /** Takes in values of a batch of so many examples. */
  add(values: Scores, examples: number): void
  /** In the order of the names; what has none of them follows as it came. */
  values(names?: readonly string[]): Record<string, number>
  save(): Record<string, MeanSoFar>
}

export function createMeans(saved: Readonly<Record<string, MeanSoFar>> = {}): Means {
  const means = new Map(Object.entries(saved).map(([name, mean]) => [name, { ...mean }]))
  return {
    add(values, examples) {
      for (const name in values) {
        if (!means.has(name)) means.set(name, { sum: 0, examples: 0 })
        const mean = means.get(name)!
        mean.sum += values[name]! * examples
        mean.examples += examples
      }
    },
    values: (names = []) => {
      const ordered = new Set([...names.filter((name) => means.has(name)), ...means.keys()])
      return Object.fromEntries([...ordered].map((name) => [name, means.get(name)!.sum / means.get(name)!.examples]))
    },
    save: () => Object.fromEntries([...means].map(([name, mean]) => [name, { ...mean }])),
  }
}
