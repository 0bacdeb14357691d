/** Samples that many records share. Small shapes: the gradient tests run each of them several times. */
import type { Sample, SampleInput } from './op.ts'

const shapes = [[], [3], [2, 3], [2, 0], [2, 1, 3]] as const

/** One input of every usual shape, with bounds that keep clear of kinks and poles. */
export function unary(input: Omit<SampleInput, 'shape'> = {}): Sample[] {
  return shapes.map((shape) => ({ inputs: [{ shape, ...input }] }))
}

const pairs = [
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], [3]],
  [[3], [2, 3]],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [[], [2, 2]],
  [
    [2, 0],
    [2, 1],
  ],
  [[1], []],
] as const

/** Two inputs in every usual way of broadcasting. */
export function binary(a: Omit<SampleInput, 'shape'> = {}, b: Omit<SampleInput, 'shape'> = {}): Sample[] {
  return pairs.map(([left, right]) => ({
    inputs: [
      { shape: left, ...a },
      { shape: right, ...b },
    ],
  }))
}
