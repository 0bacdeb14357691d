import { expect, test } from 'vitest'
import { createRandom } from '../core/random.ts'
import { tensor } from '../core/tensor.ts'
import { createBatches } from './batches.ts'
import { createClassSampler, sampledCounts } from './class-sampling.ts'
import { createDataset, subset } from './dataset.ts'

/** 20 examples of a, 6 of b, 3 of c, in turn; 'image' holds the example's number. */
const labels = [0, 0, 1, 0, 2, 0, 1, 0, 2, 0, 1, 0, 2, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
const all = createDataset({
  columns: {
    label: tensor('int32', [labels.length], Int32Array.from(labels)),
    image: tensor(
      'uint8',
      [labels.length, 1, 1, 1],
      Uint8Array.from(labels, (_, i) => i),
    ),
  },
  labels: ['a', 'b', 'c'],
})

/** How often each example occurs in an epoch. */
function timesOf(name: 'over' | 'under', ratio: number, epoch: number): number[] {
  const sampler = createClassSampler(all, { name, ratio })
  const into = { image: new Uint8Array(4), label: new Int32Array(4) }
  const batches = createBatches(all, { batchSize: 4, into, random: createRandom(3), sampler })
  batches.start(epoch)
  const times = new Array<number>(labels.length).fill(0)
  for (let step = 0; step < batches.steps; step++) {
    const count = batches.fill(step)
    for (let i = 0; i < count; i++) {
      expect(into.label[i]).toBe(labels[into.image[i]!])
      times[into.image[i]!]!++
    }
  }
  return times
}

const ofClass = (times: readonly number[], label: number): number[] => times.filter((_, i) => labels[i] === label)
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

test('counts of the classes in an epoch', () => {
  expect(sampledCounts([20, 6, 3], { name: 'over', ratio: 1 })).toEqual([20, 20, 20])
  expect(sampledCounts([20, 6, 3], { name: 'over', ratio: 0.25 })).toEqual([20, 6, 5])
  expect(sampledCounts([20, 6, 3], { name: 'under', ratio: 1 })).toEqual([3, 3, 3])
  expect(sampledCounts([20, 6, 3], { name: 'under', ratio: 0.5 })).toEqual([6, 6, 3])
  expect(sampledCounts([20, 0, 3], { name: 'under', ratio: 1 })).toEqual([3, 0, 3])
})

test('over-sampling repeats every example of a small class equally often, but for a rest that is drawn anew', () => {
  const [first, second] = [timesOf('over', 1, 1), timesOf('over', 1, 2)]
  for (const times of [first, second]) {
    expect([0, 1, 2].map((label) => sum(ofClass(times, label)))).toEqual([20, 20, 20])
    expect(new Set(ofClass(times, 0))).toEqual(new Set([1]))
    expect(new Set(ofClass(times, 1))).toEqual(new Set([3, 4]))
    expect(new Set(ofClass(times, 2))).toEqual(new Set([6, 7]))
  }
  expect(first).not.toEqual(second)
  expect(timesOf('over', 1, 1)).toEqual(first)
})

test('under-sampling draws other examples of a large class in each epoch', () => {
  const [first, second] = [timesOf('under', 1, 1), timesOf('under', 1, 2)]
  for (const times of [first, second]) {
    expect([0, 1, 2].map((label) => sum(ofClass(times, label)))).toEqual([3, 3, 3])
    expect(Math.max(...times)).toBe(1)
  }
  expect(ofClass(first, 0)).not.toEqual(ofClass(second, 0))
})

test('repeated examples are not changed alike', () => {
  const one = subset(all, [0, 1, 3, 2])
  const sampler = createClassSampler(one, { name: 'over', ratio: 1 })
  const into = { image: new Uint8Array(6), label: new Int32Array(6) }
  const seen = new Map<number, Set<number>>()
  const augment = {
    column: 'image',
    apply: (pixels: Uint8Array, at: number, _: unknown, random: { uint32(): number }) => {
      const drawn = seen.get(pixels[at]!) ?? new Set()
      seen.set(pixels[at]!, drawn.add(random.uint32()))
    },
  }
  const batches = createBatches(one, { batchSize: 6, into, random: createRandom(3), sampler, augment })
  batches.start(1)
  batches.fill(0)
  expect(seen.get(2)!.size).toBe(3)
})

test('data without classes is refused', () => {
  const none = createDataset({ columns: { target: tensor('float32', [2, 1], new Float32Array(2)) } })
  expect(() => createClassSampler(none, { name: 'over', ratio: 1 })).toThrow('train.sampling goes by classes')
})
