import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { byteLength, type DType, dtypes, storageLength } from '../core/dtype.ts'
import { sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { denseFromSparse, tensorFromProto } from './decode-tensor.ts'
import { tensorToProto } from './encode-tensor.ts'
import { SparseTensorProtoSchema, type TensorProto, TensorProtoSchema } from './generated/onnx_pb.ts'

const names = Object.keys(dtypes) as DType[]
const noFiles = new Map<string, Uint8Array>()

/** Tensors with random bits; a bool is 0 or 1. */
const tensors: fc.Arbitrary<Tensor> = fc
  .record({ dtype: fc.constantFrom(...names), shape: fc.array(fc.nat(4), { maxLength: 3 }) })
  .chain(({ dtype, shape }) => {
    const count = sizeOf(shape)
    const { array } = dtypes[dtype]
    if (!array) {
      const strings = fc.array(fc.constantFrom('', 'a', 'ünï', '\0', '🙂'), { minLength: count, maxLength: count })
      return strings.map((data): Tensor => ({ dtype, shape, data }))
    }
    const length = byteLength(dtype, count)
    return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes): Tensor => {
      const bits = dtype === 'bool' ? bytes.map((b) => b & 1) : bytes
      return { dtype, shape, data: new array(bits.slice().buffer) }
    })
  })

/** The message with its elements in the list that the specification names for the type, instead of raw_data. */
function withList(t: Tensor): TensorProto {
  const message = create(TensorProtoSchema, { dataType: dtypes[t.dtype].code, dims: t.shape.map(BigInt) })
  const numbers = (): number[] => Array.from(t.data as ArrayLike<number>)
  const bigints = (): bigint[] => Array.from(t.data as ArrayLike<bigint | number>, BigInt)
  if (t.dtype === 'string') return tensorToProto('', t)
  if (t.dtype === 'float32' || t.dtype === 'complex64') message.floatData = numbers()
  else if (t.dtype === 'float64' || t.dtype === 'complex128') message.doubleData = numbers()
  else if (t.dtype === 'int64') message.int64Data = bigints()
  else if (t.dtype === 'uint64' || t.dtype === 'uint32') message.uint64Data = bigints()
  else message.int32Data = numbers()
  return message
}

function throughBytes(message: TensorProto): TensorProto {
  return fromBinary(TensorProtoSchema, toBinary(TensorProtoSchema, message))
}

describe('tensorFromProto', () => {
  it('reads back every element type from raw data, bit for bit', () => {
    fc.assert(
      fc.property(tensors, (t) => {
        const back = tensorFromProto(throughBytes(tensorToProto('t', t)), noFiles, 'tensor')
        expect(back.dtype).toBe(t.dtype)
        expect(back.shape).toEqual(t.shape)
        if (Array.isArray(t.data)) expect(back.data).toEqual(t.data)
        else expect(Buffer.compare(bytesOf(back), bytesOf(t))).toBe(0)
      }),
    )
  })

  it('reads back every element type from its list', () => {
    fc.assert(
      fc.property(tensors, (t) => {
        const back = tensorFromProto(throughBytes(withList(t)), noFiles, 'tensor')
        expect(back.data.length).toBe(t.dtype === 'string' ? t.data.length : storageLength(t.dtype, sizeOf(t.shape)))
        // NaN may change its payload on the way through a number.
        expect(back).toEqual(t)
      }),
    )
  })

  it('copies raw data, which begins at any byte', () => {
    const rawData = new Uint8Array(13).subarray(1, 13)
    const t = tensorFromProto(create(TensorProtoSchema, { dataType: 1, dims: [3n], rawData }), noFiles, 't')
    rawData.fill(255)
    expect(Array.from(t.data as Float32Array)).toEqual([0, 0, 0])
  })

  it('reads a side file at an offset', () => {
    const place = { location: 'sub/w.bin', offset: '8', length: '4' }
    const message = external(place)
    const t = tensorFromProto(
      message,
      new Map([['sub/w.bin', Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 63])]]),
      'w',
    )
    expect(Array.from(t.data as Float32Array)).toEqual([1])
  })

  it.each([
    [{ location: '../secret' }, 'inside the model'],
    [{ location: 'a/../../secret' }, 'inside the model'],
    [{ location: '/etc/secret' }, 'inside the model'],
    [{ location: 'a\\b' }, 'inside the model'],
    [{ location: 'C:secret' }, 'inside the model'],
    [{ location: '' }, 'inside the model'],
    [{ location: 'w', offset: '-4' }, "external offset '-4'"],
    [{ location: 'w', offset: '1e999' }, "external offset '1e999'"],
    [{ location: 'w', offset: '8' }, 'which has 8'],
    [{ location: 'w', length: '400' }, 'its external length is 400'],
    [{ location: 'other' }, "'other', which was not given"],
  ])('refuses the side file %j', (place, message) => {
    expect(() => tensorFromProto(external(place), new Map([['w', new Uint8Array(8)]]), 'w')).toThrow(message)
  })

  it.each([
    [{ dataType: 99, dims: [1n] }, 'element type 99'],
    [{ dataType: 0, dims: [1n] }, 'element type 0'],
    [{ dataType: 1, dims: [-1n] }, 'a dimension -1'],
    [{ dataType: 1, dims: [2n ** 62n] }, 'a dimension 4611686018427387904'],
    [{ dataType: 1, dims: [10n ** 12n], rawData: new Uint8Array(4) }, 'must have 4000000000000 bytes'],
    [{ dataType: 1, dims: [10n ** 12n], floatData: [1] }, 'must have 1000000000000 elements'],
    [{ dataType: 1, dims: [10n ** 12n] }, 'received none'],
    [{ dataType: 8, dims: [10n ** 12n], stringData: [new Uint8Array(1)] }, 'must have 1000000000000 elements'],
    [{ dataType: 1, dims: [10n ** 9n, 10n ** 9n, 0n, 10n ** 9n], rawData: new Uint8Array(4) }, 'must have 0 bytes'],
    [{ dataType: 1, dims: [10n ** 9n, 10n ** 9n] }, 'more elements than can be counted'],
    [{ dataType: 1, dims: [1n], rawData: new Uint8Array(3) }, 'must have 4 bytes'],
    [{ dataType: 1, dims: [1n], int64Data: [1n] }, "keeps its elements in 'int64Data'"],
    [{ dataType: 1, dims: [1n], floatData: [1], rawData: new Uint8Array(4) }, 'floatData and rawData'],
    [{ dataType: 8, dims: [1n], stringData: [Uint8Array.of(255)] }, 'not UTF-8'],
    [{ dataType: 1, dims: [1n], segment: { begin: 0n, end: 1n } }, 'one segment'],
  ])('refuses %o', (init, message) => {
    expect(() => tensorFromProto(create(TensorProtoSchema, init as object), noFiles, "initializer 'w'")).toThrow(
      message,
    )
  })
})

describe('denseFromSparse', () => {
  const values = { dataType: 1, dims: [2n], floatData: [5, 7] }

  it('reads flat and coordinate indices', () => {
    const flat = { dataType: 7, dims: [2n], int64Data: [1n, 5n] }
    const coordinates = { dataType: 7, dims: [2n, 2n], int64Data: [0n, 1n, 1n, 2n] }
    for (const indices of [flat, coordinates]) {
      const dense = denseFromSparse(create(SparseTensorProtoSchema, { values, indices, dims: [2n, 3n] }), noFiles, 's')
      expect(Array.from(dense.data as Float32Array)).toEqual([0, 5, 0, 0, 0, 7])
    }
  })

  it('refuses indices outside and a dense copy beyond reason', () => {
    const indices = { dataType: 7, dims: [2n], int64Data: [1n, 6n] }
    const small = create(SparseTensorProtoSchema, { values, indices, dims: [2n, 3n] })
    expect(() => denseFromSparse(small, noFiles, 's')).toThrow('the index 6')
    const huge = create(SparseTensorProtoSchema, { values, indices, dims: [10n ** 12n] })
    expect(() => denseFromSparse(huge, noFiles, 's')).toThrow('more than')
  })
})

/** A float32 scalar in a side file. */
function external(place: Record<string, string>): TensorProto {
  const externalData = Object.entries(place).map(([key, value]) => ({ key, value }))
  return create(TensorProtoSchema, { dataType: 1, dims: [1n], dataLocation: 1, externalData } as object)
}

function bytesOf({ data }: Tensor): Uint8Array {
  const { buffer, byteOffset, byteLength: length } = data as Uint8Array
  return new Uint8Array(buffer, byteOffset, length)
}
