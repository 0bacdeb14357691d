import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { samplePixels } from '../../../test/sample-bundle.ts'
import { type SampleApp, sampleApp, samplePipeline } from '../../../test/sample-server.ts'
import type { Pipeline } from '../../bundle/index.ts'
import { bytesFromTensor, tensorFromBytes } from '../tensor-binary.ts'

let pipeline: Pipeline
let app: SampleApp['app']
beforeAll(async () => {
  pipeline = await samplePipeline()
  app = sampleApp([{ name: 'tiny', version: '1', pipeline }]).app
})
afterAll(() => pipeline.release())

const pixels = samplePixels(2)
const size = pixels.length
const input = { name: 'pixels', shape: [2, 1, 12, 12], datatype: 'UINT8', parameters: { binary_data_size: size } }

function send(json: unknown, raw: Uint8Array, length?: string): Promise<Response> {
  const head = new TextEncoder().encode(JSON.stringify(json))
  const body = new Uint8Array([...head, ...raw])
  const headers = { 'inference-header-content-length': length ?? String(head.length) }
  return Promise.resolve(app.request('/v2/models/tiny/infer', { method: 'POST', body, headers }))
}

describe('the binary extension', () => {
  test('bytes in, bytes out, with the numbers of the pipeline', async () => {
    const expected = await pipeline.infer({ pixels: { dtype: 'uint8', shape: [2, 1, 12, 12], data: pixels } })
    for (const asked of [
      { outputs: [{ name: 'probabilities', parameters: { binary_data: true } }] },
      { parameters: { binary_data_output: true } },
    ]) {
      const answer = await send({ id: 'b', inputs: [input], ...asked }, pixels)
      expect(answer.status).toBe(200)
      const bytes = new Uint8Array(await answer.arrayBuffer())
      const length = Number(answer.headers.get('inference-header-content-length'))
      const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, length)))
      expect(head.outputs).toEqual([
        { name: 'probabilities', shape: [2, 5], datatype: 'FP32', parameters: { binary_data_size: 40 } },
      ])
      expect([...new Float32Array(bytes.slice(length).buffer)]).toEqual([...expected.probabilities!.data])
    }
  })

  test('bytes in, JSON out', async () => {
    const asked = {
      parameters: { binary_data_output: true },
      outputs: [{ name: 'probabilities', parameters: { binary_data: false } }],
    }
    const answer = await send({ inputs: [input], ...asked }, pixels)
    expect(answer.headers.get('inference-header-content-length')).toBeNull()
    expect(((await answer.json()) as { outputs: { data: number[] }[] }).outputs[0]!.data).toHaveLength(10)
  })

  const sized = (binary_data_size: unknown) => ({ inputs: [{ ...input, parameters: { binary_data_size } }] })
  test.each<[string, unknown, number, string | undefined, string]>([
    ['fewer bytes than claimed', sized(size), size - 1, undefined, 'binary_data_size of 288, 287 bytes follow'],
    ['a claim of 10^9 bytes', sized(1e9), size, undefined, 'binary_data_size of 1000000000'],
    ['bytes of nobody', sized(size), size + 1, undefined, '1 bytes behind the JSON belong to no input'],
    ['fewer bytes than the shape needs', sized(size - 1), size - 1, undefined, 'needs 288 bytes, received 287'],
    [
      'a claim of 10^9 rows',
      { inputs: [{ ...input, shape: [1e9, 1, 12, 12] }] },
      size,
      undefined,
      'needs 144000000000 bytes',
    ],
    ['no data', { inputs: [{ ...input, parameters: {} }] }, 0, undefined, 'received neither'],
    ['data twice', { inputs: [{ ...input, data: [] }] }, size, undefined, 'received both'],
    ['a negative size', sized(-1), size, undefined, 'binary_data_size'],
    ['a length beyond the body', sized(size), size, '100000', "up to the body's"],
    ['a length that is none', sized(size), size, '-1', 'must be a number'],
    ['a length within the JSON', sized(size), size, '5', 'the body is not JSON'],
  ])('refuses %s', async (_, json, count, length, message) => {
    const answer = await send(json, new Uint8Array(count), length)
    expect(((await answer.json()) as { error: string }).error).toContain(message)
    expect(answer.status).toBe(400)
  })
})

describe('tensors as bytes', () => {
  test('texts come back as they went', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), (data) => {
        const bytes = bytesFromTensor({ dtype: 'string', shape: [data.length], data })
        expect(tensorFromBytes('string', [data.length], bytes, 'x').data).toEqual(data)
      }),
      { seed: 1 },
    )
  })

  test('numbers come back as they went, from any address', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true })), fc.nat(7), (data, offset) => {
        const bytes = bytesFromTensor({ dtype: 'float64', shape: [data.length], data: Float64Array.from(data) })
        const moved = new Uint8Array(offset + bytes.length)
        moved.set(bytes, offset)
        expect([...tensorFromBytes('float64', [data.length], moved.subarray(offset), 'x').data]).toEqual(data)
      }),
      { seed: 2 },
    )
  })

  test('come out of what a socket brings, which is a part of something larger', () => {
    const pool = Buffer.from(Float32Array.of(9, 1, 2, 9).buffer)
    const { data } = tensorFromBytes('float32', [2], pool.subarray(4, 12), 'x')
    expect([...data]).toEqual([1, 2])
    expect((data as Float32Array).buffer.byteLength).toBe(8)
  })

  test.each([
    ['float32', new Uint8Array(new Float32Array([1, Number.NaN]).buffer), [2], 'element 1 must be a finite number'],
    ['float16', Uint8Array.of(0, 0x7c), [1], 'element 0 must be a finite number'],
    ['bool', Uint8Array.of(2), [1], 'must be 0 or 1'],
    ['string', Uint8Array.of(255, 255, 255, 255), [1], 'needs 1 texts, received 0 whole ones'],
    ['string', Uint8Array.of(1, 0, 0, 0, 0xff), [1], 'is no UTF-8'],
    ['string', Uint8Array.of(0, 0, 0, 0), [1e9], 'needs 1000000000 texts'],
    ['int4', new Uint8Array(1), [2], 'cannot be sent as bytes'],
  ] as const)('%s that cannot be are refused', (dtype, bytes, shape, message) => {
    expect(() => tensorFromBytes(dtype, shape, bytes, 'x')).toThrow(message)
  })
})
