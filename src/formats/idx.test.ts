import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mnistFile } from '../../test/mnist-files.ts'
import { tensor, tensorFromNumbers } from '../core/tensor.ts'
import { readIdx, readIdxHeader, writeIdx } from './idx.ts'

const images = readFileSync(mnistFile('t10k-images-idx3-ubyte'))
const labels = readFileSync(mnistFile('t10k-labels-idx1-ubyte'))

describe('readIdx on the MNIST files', () => {
  it('reads pictures and labels', () => {
    const t = readIdx(images, 't10k-images')
    expect(t.dtype).toBe('uint8')
    expect(t.shape).toEqual([10000, 28, 28])
    expect(Array.from(readIdx(labels).data.slice(0, 10) as Uint8Array)).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
  })

  it('shares the memory of the bytes instead of copying 47 MB', () => {
    expect((readIdx(images).data as Uint8Array).buffer).toBe(images.buffer)
  })

  it('writes back the same bytes', () => {
    expect(Buffer.compare(writeIdx(readIdx(labels)), labels)).toBe(0)
    expect(Buffer.compare(writeIdx(readIdx(images)), images)).toBe(0)
  })
})

describe('readIdx refuses', () => {
  const bad =
    (bytes: Uint8Array): (() => unknown) =>
    () =>
      readIdx(bytes, 'f')

  it('a truncated file, naming expected and received bytes', () => {
    expect(bad(images.subarray(0, 5000))).toThrow(
      'f is truncated: uint8 [10000, 28, 28] needs 7840016 bytes, received 5000',
    )
  })

  it('a truncated header and an empty file', () => {
    expect(bad(images.subarray(0, 9))).toThrow('the header of rank 3 has 16 bytes, received 9')
    expect(bad(new Uint8Array(0))).toThrow('at least 4 bytes, received 0')
  })

  it('bytes behind the end', () => {
    expect(bad(Buffer.concat([labels, Buffer.from('xyz')]))).toThrow('f has 3 bytes too many')
  })

  it('a wrong magic number, saying what the file seems to be', () => {
    expect(bad(Buffer.from('hello, world'))).toThrow('received 68 65 6c 6c')
    expect(bad(Uint8Array.of(0x1f, 0x8b, 8, 0))).toThrow('a gzip file')
    expect(bad(Uint8Array.of(0, 0, 0x0a, 1, 0, 0, 0, 0))).toThrow('received 00 00 0a 01')
  })

  it('dimensions whose product overflows, before anything is allocated', () => {
    const bytes = Uint8Array.of(0, 0, 0x0e, 4, ...new Array(16).fill(0xff))
    expect(bad(bytes)).toThrow('needs more bytes than any file has, received 20')
    expect(readIdxHeader(bytes).totalBytes).toBe(Infinity)
    expect(bad(Uint8Array.of(0, 0, 8, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))).toThrow('f is truncated')
  })
})

describe('writeIdx', () => {
  it('round-trips every type that IDX has', () => {
    const dtype = fc.constantFrom('uint8', 'int8', 'int16', 'int32', 'float32', 'float64')
    const values = fc.array(fc.integer({ min: 0, max: 127 }), { maxLength: 24 })
    fc.assert(
      fc.property(dtype, values, fc.boolean(), (type, numbers, negate) => {
        const signed = negate && type !== 'uint8' ? numbers.map((n) => -n) : numbers
        const t = tensorFromNumbers(type, [1, numbers.length], signed)
        expect(readIdx(writeIdx(t))).toEqual(t)
      }),
    )
  })

  it('keeps fractions and a scalar', () => {
    const t = tensorFromNumbers('float64', [], [Math.PI])
    expect(readIdx(writeIdx(t))).toEqual(t)
  })

  it('refuses a type that IDX does not have', () => {
    expect(() => writeIdx(tensor('int64', [1], BigInt64Array.of(1n)))).toThrow('received int64')
  })
})
