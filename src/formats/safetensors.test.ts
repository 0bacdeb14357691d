import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { float32, int64, type Tensor, tensor } from '../core/tensor.ts'
import { readSafetensors, writeSafetensors } from './safetensors.ts'

const sample = () =>
  writeSafetensors({
    tensors: new Map<string, Tensor>([
      ['dense/kernel', float32([2, 3], [1, 2, 3, 4, 5, 6])],
      ['count', int64([], [7])],
    ]),
    metadata: { epoch: '3' },
  })

describe('safetensors', () => {
  it('reads back what it wrote, of any size and type', () => {
    fc.assert(
      fc.property(fc.float32Array(), fc.uint8Array(), fc.string(), (floats, bytes, note) => {
        const tensors = new Map<string, Tensor>([
          ['a/b', tensor('float32', [floats.length], floats)],
          ['c', tensor('uint8', [1, bytes.length], bytes)],
        ])
        const back = readSafetensors(writeSafetensors({ tensors, metadata: { note } }))
        expect(back.metadata).toEqual({ note })
        expect(back.tensors).toEqual(tensors)
      }),
    )
  })

  it('reads what readFile gives, a Buffer that may lie anywhere in memory', () => {
    const bytes = sample()
    const wide = Buffer.alloc(bytes.length + 3)
    wide.set(bytes, 3)
    const { tensors } = readSafetensors(wide.subarray(3))
    expect(tensors).toEqual(readSafetensors(bytes).tensors)
  })

  it('lays the file out as the format says', () => {
    const bytes = sample()
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))
    expect(header['dense/kernel']).toEqual({ dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] })
    expect(header.count).toEqual({ dtype: 'I64', shape: [], data_offsets: [24, 32] })
    expect(bytes.length).toBe(8 + length + 32)
  })

  it.each([
    ['empty', new Uint8Array(0), /it has 0 bytes/],
    ['truncated', sample().subarray(0, -1), /'count' needs 8 bytes/],
    ['header beyond the end', sample().subarray(0, 20), /its header claims \d+ bytes, the file has 20/],
    ['no JSON', Uint8Array.from([3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]), /not JSON/],
    ['a picture', Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0]), /header claims/],
  ])('names the damage: %s', (_, bytes, message) => {
    expect(() => readSafetensors(bytes, 'checkpoint')).toThrow(message)
    expect(() => readSafetensors(bytes, 'checkpoint')).toThrow(/^checkpoint is damaged/)
  })
})
