import { describe, expect, it } from 'vitest'
import { createRandom } from '../core/random.ts'
import { tensor } from '../core/tensor.ts'
import { createBatches } from './batches.ts'
import { blocksOf, shuffleBlocks } from './block-order.ts'
import { createDataset, type StoredColumn, subset } from './dataset.ts'

const count = 5000
const every = Int32Array.from({ length: count }, (_, i) => i)

describe('shuffleBlocks', () => {
  const blocks = { rows: 16, window: 8 }
  it('is a permutation, a function of the random numbers alone', () => {
    const one = shuffleBlocks(every.slice(), blocks, createRandom(3))
    expect(one).not.toEqual(every)
    expect(shuffleBlocks(every.slice(), blocks, createRandom(3))).toEqual(one)
    expect(shuffleBlocks(every.slice(), blocks, createRandom(4))).not.toEqual(one)
    expect(one.slice().sort()).toEqual(every)
  })

  it('brings no more blocks together than a window holds, and mixes those', () => {
    // Whole blocks alone.
    const order = shuffleBlocks(every.slice(0, 4992), blocks, createRandom(3))
    const first = order.subarray(0, 16 * 8)
    const seen = new Set(Array.from(first, (row) => Math.floor(row / 16)))
    expect(seen.size).toBe(8)
    // Blocks come from all over the file, and rows of one do not stay together.
    expect(Math.max(...seen) - Math.min(...seen)).toBeGreaterThan(100)
    const neighbours = Array.from(first).filter(
      (row, i) => i > 0 && Math.floor(row / 16) === Math.floor(first[i - 1]! / 16),
    )
    expect(neighbours.length).toBeLessThan(40)
  })

  it('keeps rows that occur more than once', () => {
    const twice = Int32Array.from([...every, ...every.subarray(0, 100)])
    expect(shuffleBlocks(twice.slice(), blocks, createRandom(1)).sort()).toEqual(twice.sort())
  })
})

/** A column in a "file" that counts what is read of it. */
function storedColumn(width: number): { column: StoredColumn; reads: number[] } {
  const bytes = new Uint8Array(Float64Array.from({ length: count * width }, (_, i) => i).buffer)
  const reads: number[] = []
  const column: StoredColumn = {
    dtype: 'float64',
    shape: [count, width],
    digest: 'x',
    read(first, rows, into) {
      reads.push(first)
      into.set(bytes.subarray(first * width * 8, (first + rows) * width * 8))
    },
  }
  return { column, reads }
}

describe('batches of columns in a file', () => {
  const label = tensor('int32', [count], every)
  const filled = (random?: ReturnType<typeof createRandom>) => {
    const { column, reads } = storedColumn(40)
    const dataset = createDataset({ columns: { label }, stored: { numbers: column } })
    const some = subset(
      dataset,
      every.filter((row) => row % 5 !== 0),
    )
    const into = { numbers: new Float64Array(64 * 40), label: new Int32Array(64) }
    const batches = createBatches(some, { batchSize: 64, into, ...(random ? { random } : {}) })
    const seen: number[] = []
    for (const epoch of random ? [1, 2] : [1]) {
      batches.start(epoch)
      for (let step = 0; step < batches.steps; step++) {
        const length = batches.fill(step)
        for (let i = 0; i < length; i++) {
          seen.push(into.label[i]!)
          // The whole row is that of the label beside it.
          expect(into.numbers.subarray(i * 40, i * 40 + 2)).toEqual(
            Float64Array.of(into.label[i]! * 40, into.label[i]! * 40 + 1),
          )
        }
      }
    }
    return { seen, reads, blocks: Math.ceil(count / blocksOf(320).rows) }
  }

  it('hold each example once an epoch, in another order each; a block is read once', () => {
    const { seen, reads, blocks } = filled(createRandom(2))
    const [one, two] = [seen.slice(0, 4000), seen.slice(4000)]
    expect(new Set(one).size).toBe(4000)
    expect(two).not.toEqual(one)
    expect(new Set(two).size).toBe(4000)
    expect(reads.length).toBeLessThanOrEqual(2 * blocks)
  })

  it('in the order of the file read it once, and keep little of it', () => {
    const { seen, reads, blocks } = filled()
    expect(seen).toEqual([...every].filter((row) => row % 5 !== 0))
    expect(reads).toHaveLength(blocks)
  })
})
