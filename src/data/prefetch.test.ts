import { expect, test } from 'vitest'
import { createRandom } from '../core/random.ts'
import { tensor } from '../core/tensor.ts'
import { createAugment } from './augment.ts'
import { type BatchesConfig, createBatches } from './batches.ts'
import { createClassSampler } from './class-sampling.ts'
import { createDataset } from './dataset.ts'
import { type PrefetchedBatches, prefetchBatches, warmThread } from './prefetch.ts'

const count = 90
const random = createRandom(4)
const dataset = createDataset({
  columns: {
    image: tensor(
      'uint8',
      [count, 3, 12, 12],
      Uint8Array.from({ length: count * 432 }, () => random.integer(256)),
    ),
    label: tensor(
      'int32',
      [count],
      Int32Array.from({ length: count }, (_, i) => (i % 6 === 0 ? 1 : 0)),
    ),
  },
  labels: ['many', 'few'],
})
const config = { rotate: 20, flipHorizontal: true, cutout: 0.3 }
const augment = { column: 'image', apply: createAugment(config), config }

const arrays = () => ({ image: new Uint8Array(16 * 432), label: new Int32Array(16) })

function both(more: Partial<BatchesConfig> = {}) {
  const [a, b] = [arrays(), arrays()]
  const common = { batchSize: 16, random: createRandom(9), augment, ...more }
  const plain = createBatches(dataset, { ...common, into: a })
  const ahead = prefetchBatches(dataset, { ...common, into: b }) as PrefetchedBatches
  return { plain, ahead, a, b }
}

/** Time for the thread to work, as training gives it. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 15))

test.each([
  ['each example once', {}],
  ['sampled classes', { sampler: createClassSampler(dataset, { name: 'over', ratio: 1 }) }],
])(
  'gives the batches of the thread that trains, bit for bit: %s',
  async (_, more) => {
    const { plain, ahead, a, b } = both(more)
    try {
      expect(ahead.steps).toBe(plain.steps)
      for (const epoch of [1, 2, 3, 7]) {
        plain.start(epoch)
        ahead.start(epoch)
        for (let step = 0; step < plain.steps; step++) {
          if (step % 3 !== 2) await pause()
          const length = plain.fill(step)
          expect(ahead.fill(step)).toBe(length)
          expect(b.image.subarray(0, length * 432)).toEqual(a.image.subarray(0, length * 432))
          expect(b.label.subarray(0, length)).toEqual(a.label.subarray(0, length))
          expect(ahead.rowAt(length - 1)).toBe(plain.rowAt(length - 1))
        }
      }
      // The thread did work; how much depends on the machine.
      for (let epoch = 8; ahead.ahead === 0 && epoch < 200; epoch++) {
        ahead.start(epoch)
        await pause()
        ahead.fill(0)
      }
      expect(ahead.ahead).toBeGreaterThan(0)
    } finally {
      ahead.release?.()
    }
  },
  30_000,
)

test('the thread goes on into the next epoch before that starts', async () => {
  warmThread()
  const { plain, ahead, a, b } = both()
  let early = 0
  try {
    for (let epoch = 1; early === 0 && epoch < 200; epoch++) {
      const before = ahead.ahead
      plain.start(epoch)
      ahead.start(epoch)
      for (let step = 0; step < plain.steps; step++) {
        plain.fill(step)
        ahead.fill(step)
        expect(b.image).toEqual(a.image)
        // Of the first epoch the thread cannot have known.
        if (step === 0 && epoch > 1) early += ahead.ahead - before
      }
      // As validation takes time.
      await pause()
    }
    expect(early).toBeGreaterThan(0)
  } finally {
    ahead.release?.()
  }
}, 30_000)

test('a run that goes on in the middle of an epoch, and steps out of order', async () => {
  const { plain, ahead, a, b } = both()
  plain.start(5)
  ahead.start(5)
  for (const step of [3, 4, 0, 5, 5, 1]) {
    await pause()
    plain.fill(step)
    ahead.fill(step)
    expect(b.image).toEqual(a.image)
  }
  expect(() => ahead.fill(99)).toThrow('step must be from 0 to 5')
  ahead.release?.()
  // Without its thread the batches go on.
  plain.fill(2)
  ahead.fill(2)
  expect(b.image).toEqual(a.image)
})

test('nothing to change needs no thread', () => {
  const into = arrays()
  expect(prefetchBatches(dataset, { batchSize: 16, into, random: createRandom(1) })).not.toHaveProperty('ahead')
  const own = { column: 'image', apply: augment.apply }
  expect(prefetchBatches(dataset, { batchSize: 16, into, random: createRandom(1), augment: own })).not.toHaveProperty(
    'ahead',
  )
})
