import { getHeapSpaceStatistics } from 'node:v8'
import { expect, test } from 'vitest'
import type { Tensor } from '../src/core/tensor.ts'
import { inferAnswer } from '../src/serve/infer-body.ts'

/** Bytes outside of the young generation: what lies there stays until the whole heap is collected. */
function oldBytes(): number {
  const young = /^(?:new|read_only)/
  return getHeapSpaceStatistics().reduce((sum, of) => sum + (young.test(of.space_name) ? 0 : of.space_used_size), 0)
}

test('an answer is short-lived garbage: nothing of it is left for collections of the whole heap', () => {
  const request = { inputs: [{ name: 'x', shape: [1], datatype: 'FP32', data: [1] }] }
  const probabilities: Tensor = {
    dtype: 'float32',
    shape: [1, 10],
    data: Float32Array.from({ length: 10 }, (_, i) => i / 7),
  }
  let length = 0
  const answer = (times: number): void => {
    for (let i = 0; i < times; i++) {
      length += inferAnswer({ name: 'mlp', version: '1' }, request, { probabilities }).body.length
    }
  }
  answer(5000)
  // The least of three: the compiler, too, writes there.
  const left = [1, 2, 3].map(() => {
    const before = oldBytes()
    answer(20_000)
    return oldBytes() - before
  })
  expect(length).toBeGreaterThan(65_000 * 100)
  // Objects that spread others left 350 bytes of each behind in Node 20: 7 MB.
  expect(Math.min(...left)).toBeLessThan(2e6)
})
