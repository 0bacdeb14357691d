import { describe, expect, it } from 'vitest'
import { byteLength, type DType, dtypeFromCode, dtypes, holdsNumbers, isFloat, storageLength } from './dtype.ts'
import { sha256, sha256OfText } from './hash.ts'
import { float32, int64, numbersOf, tensor, tensorFromNumbers, zeros } from './tensor.ts'

const names = Object.keys(dtypes) as DType[]

describe('dtypes', () => {
  it('have codes of their own', () => {
    for (const name of names) expect(dtypeFromCode(dtypes[name].code)).toBe(name)
    expect(dtypeFromCode(99)).toBeUndefined()
  })

  it('say how much room elements take', () => {
    expect(byteLength('float32', 3)).toBe(12)
    expect(byteLength('int4', 3)).toBe(2)
    expect(storageLength('int4', 3)).toBe(2)
    expect(storageLength('complex64', 3)).toBe(6)
    for (const name of names) {
      const { array } = dtypes[name]
      if (array) expect(storageLength(name, 6) * array.BYTES_PER_ELEMENT, name).toBe(byteLength(name, 6))
    }
    expect(isFloat('bfloat16')).toBe(true)
    expect(isFloat('int8')).toBe(false)
  })
})

describe('tensor', () => {
  it('checks sizes, number of elements and array type', () => {
    expect(tensor('int32', [2], Int32Array.of(1, 2)).data).toEqual(Int32Array.of(1, 2))
    expect(() => tensor('float32', [2, 2], new Float32Array(3))).toThrow(
      'a float32 tensor of shape [2, 2] has 4 elements, received 3',
    )
    expect(() => tensor('float32', [2], new Float64Array(2))).toThrow(
      'a float32 tensor holds Float32Array, received Float64Array',
    )
    expect(() => tensor('string', [1], new Uint8Array(1))).toThrow(/an array of strings, received Uint8Array/)
    // Two wrong sizes may multiply to the right number of elements.
    expect(() => tensor('float32', [-1, -2], new Float32Array(2))).toThrow(/whole numbers >= 0, received \[-1, -2\]/)
    expect(() => tensor('float32', [0.5, 4], new Float32Array(2))).toThrow(/whole numbers/)
  })

  it('makes zeros of every type', () => {
    for (const name of names) expect(() => tensor(name, [3], zeros(name, [3]).data), name).not.toThrow()
    expect(zeros('string', [2]).data).toEqual(['', ''])
    expect(zeros('float32', []).data.length).toBe(1)
  })

  it('turns numbers into elements and back wherever elements are numbers', () => {
    for (const name of names) {
      if (holdsNumbers(name)) expect(numbersOf(tensorFromNumbers(name, [2], [0, 1])), name).toEqual([0, 1])
      else {
        expect(() => tensorFromNumbers(name, [2], [0, 1]), name).toThrow(`cannot write numbers as ${name}`)
        expect(() => numbersOf(zeros(name, [2])), name).toThrow(`cannot read ${name} elements as numbers`)
      }
    }
  })

  it('rounds as the type demands', () => {
    expect(numbersOf(tensorFromNumbers('float32', [1], [0.1]))).toEqual([Math.fround(0.1)])
    expect(numbersOf(tensorFromNumbers('int32', [1], [-1.7]))).toEqual([-1])
    expect(numbersOf(tensorFromNumbers('bool', [3], [0, 0.5, 2]))).toEqual([0, 1, 1])
    expect(() => int64([1], [0.5])).toThrow('int64 elements must be whole numbers, received 0.5')
    expect(() => tensorFromNumbers('uint64', [1], [Number.NaN])).toThrow('uint64 elements must be whole numbers')
  })

  it('keeps the meaning of "to the end" in 64-bit integers', () => {
    const ends = { dtype: 'int64' as const, shape: [2], data: BigInt64Array.of(2n ** 63n - 1n, -(2n ** 63n)) }
    expect(numbersOf(ends)).toEqual([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER])
  })

  it('keeps a Float32Array as it is, without a copy', () => {
    const data = Float32Array.of(1)
    expect(float32([1], data).data).toBe(data)
  })
})

describe('sha256', () => {
  it('gives the known values of FIPS 180-2', async () => {
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    expect(await sha256OfText('abc')).toBe(abc)
    expect(await sha256(Uint8Array.of(0, 97, 98, 99).subarray(1))).toBe(abc)
    expect(await sha256(new Uint8Array(0))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  })
})
