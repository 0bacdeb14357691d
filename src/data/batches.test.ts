import { describe, expect, it } from 'vitest'
import { mnistFile } from '../../test/mnist-files.ts'
import { createRandom } from '../core/random.ts'
import { tensor } from '../core/tensor.ts'
import { createAugment } from './augment.ts'
import { createBatches, epochOrder } from './batches.ts'
import { createDataset, subset } from './dataset.ts'
import { createGather } from './gather.ts'
import { loadIdxPair } from './idx-source.ts'

const test = await loadIdxPair({
  images: mnistFile('t10k-images-idx3-ubyte'),
  labels: mnistFile('t10k-labels-idx1-ubyte'),
})
const pixels = test.columns.image!.data as Uint8Array

function arrays(batch: number): { image: Uint8Array; label: Int32Array } {
  return { image: new Uint8Array(batch * 784), label: new Int32Array(batch) }
}

describe('epochOrder', () => {
  it('is a pure function of seed and epoch, and a permutation', () => {
    const first = epochOrder(test, createRandom(7), 3)
    expect(epochOrder(test, createRandom(7), 3)).toEqual(first)
    expect(epochOrder(test, createRandom(7), 4)).not.toEqual(first)
    expect(epochOrder(test, createRandom(8), 3)).not.toEqual(first)
    expect(first.slice().sort()).toEqual(test.rows)
  })
})

describe('createBatches', () => {
  it('visits every example once an epoch, the last batch smaller', () => {
    const into = arrays(64)
    const some = subset(
      test,
      Int32Array.from({ length: 1000 }, (_, i) => 9999 - i),
    )
    const batches = createBatches(some, { batchSize: 64, into, random: createRandom(1) })
    expect(batches.steps).toBe(16)
    batches.start(0)
    const seen: number[] = []
    for (let step = 0; step < batches.steps; step++) {
      const count = batches.fill(step)
      expect(count).toBe(step < 15 ? 64 : 40)
      for (let i = 0; i < count; i++) {
        const row = batches.rowAt(i)
        seen.push(row)
        expect(into.label[i]).toBe((test.columns.label!.data as Int32Array)[row])
        expect(
          Buffer.compare(into.image.subarray(i * 784, (i + 1) * 784), pixels.subarray(row * 784, row * 784 + 784)),
        ).toBe(0)
      }
    }
    expect(Int32Array.from(seen).sort()).toEqual(some.rows.slice().sort())
  })

  it('gives the same batch again when it is resumed in the middle of an epoch', () => {
    const augment = { column: 'image', apply: createAugment({ shift: 0.1, rotate: 10, cutout: 0.3 }) }
    const [a, b] = [arrays(32), arrays(32)]
    const whole = createBatches(test, { batchSize: 32, into: a, random: createRandom(5), augment })
    whole.start(2)
    for (let step = 0; step <= 20; step++) whole.fill(step)
    const resumed = createBatches(test, { batchSize: 32, into: b, random: createRandom(5), augment })
    resumed.start(2)
    resumed.fill(20)
    expect(b).toEqual(a)
    resumed.start(3)
    resumed.fill(20)
    expect(b).not.toEqual(a)
  })

  it('keeps the order and the pixels without random', () => {
    const into = arrays(10)
    createBatches(test, { batchSize: 10, into }).fill(1)
    expect(Buffer.compare(into.image, pixels.subarray(7840, 15680))).toBe(0)
  })

  it('writes into a view on a larger memory, and notices when the memory has moved (WebAssembly.Memory.grow)', () => {
    const memory = new ArrayBuffer(65536)
    const into = { image: new Uint8Array(memory, 64, 7840) }
    const batches = createBatches(test, { batchSize: 10, into })
    batches.fill(0)
    expect(Buffer.compare(into.image, pixels.subarray(0, 7840))).toBe(0)
    structuredClone(memory, { transfer: [memory] })
    expect(() => batches.fill(1)).toThrow('was its memory grown')
  })

  it('refuses wrong targets, sizes and steps', () => {
    expect(() => createBatches(test, { batchSize: 0, into: {} })).toThrow('received 0')
    expect(() => createBatches(test, { batchSize: 32, into: { image: new Uint8Array(10) } })).toThrow('needs 25088')
    expect(() => createBatches(test, { batchSize: 1, into: { label: new Uint8Array(1) } })).toThrow(
      'received Uint8Array',
    )
    const batches = createBatches(test, { batchSize: 32, into: arrays(32), random: createRandom(1) })
    expect(() => batches.fill(0)).toThrow('start(epoch)')
    batches.start(0)
    expect(() => batches.fill(313)).toThrow('from 0 to 312')
    expect(() => createBatches(subset(test, []), { batchSize: 1, into: {} })).toThrow('without examples')
  })
})

describe('createGather', () => {
  it('copies any element type at any alignment', () => {
    const bytes = new Uint8Array(64).map((_, i) => i * 7)
    const odd = tensor('uint8', [5, 3], bytes.subarray(1, 16))
    const target = new Uint8Array(6)
    createGather('odd', odd, target)(Int32Array.of(4, 0), 0, 2)
    expect(Array.from(target)).toEqual([...bytes.subarray(13, 16), ...bytes.subarray(1, 4)])
    const wide = tensor('int64', [3, 1], BigInt64Array.of(1n, -2n, 3n))
    const out = new BigInt64Array(2)
    createGather('wide', wide, out)(Int32Array.of(0, 2, 1), 1, 2)
    expect(out).toEqual(BigInt64Array.of(3n, -2n))
    const text = createDataset({ columns: { t: tensor('string', [1], ['x']) } })
    expect(() => createGather('t', text.columns.t!, target)).toThrow('encode it')
  })
})
