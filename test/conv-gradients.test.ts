/** The recipes for gradients of Conv that the small samples of the record do not reach. */
import { expect, it } from 'vitest'
import { table } from '../src/ops/index.ts'
import type { Sample } from '../src/ops/op.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { checkSample } from './gradient-check.ts'

const backend = createNodeBackend({ threads: 1 })

const conv = (title: string, x: number[], w: number[], attributes: Sample['attributes'] = {}): Sample => ({
  title,
  inputs: [{ shape: x }, { shape: w }],
  attributes,
})

const samples: readonly Sample[] = [
  conv('two phases an axis', [2, 2, 6, 6], [3, 2, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] }),
  conv('padding in front alone', [1, 2, 4, 6], [2, 2, 3, 3], { strides: [2, 2], pads: [0, 0, 1, 1] }),
  conv('a phase that no tap reaches', [1, 1, 6], [2, 1, 2], { strides: [3] }),
  conv('three phases along one of three axes', [1, 2, 6, 3, 2], [2, 2, 4, 2, 1], { strides: [3, 1, 1] }),
  conv('phases of groups', [2, 4, 4, 4], [6, 2, 3, 3], { strides: [2, 2], pads: [1, 1, 0, 0], group: 2 }),
  conv('strides that differ', [1, 2, 6, 5], [2, 2, 3, 2], { strides: [2, 1] }),
  conv('batch within the product, one a tap', [2, 6, 11, 11], [12, 6, 3, 3]),
  conv('batch within the product, all taps', [3, 7, 5, 5], [4, 7, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] }),
  conv('batch within the product, one tap', [3, 50, 2], [12, 50, 1]),
  conv('taps in phases, even kernel', [2, 4, 6, 6], [5, 4, 4, 4], { strides: [2, 2], pads: [1, 1, 1, 1] }),
  conv('taps in phases, odd kernel, a row that no window sees', [2, 6, 8, 7], [5, 6, 3, 3], { strides: [2, 2] }),
  conv('taps in phases, kernel wider than high', [2, 6, 7, 9], [4, 6, 2, 5], { strides: [2, 2], pads: [0, 2, 1, 1] }),
  conv('taps in phases, a product for each group of taps', [1, 6, 20, 20], [12, 6, 3, 3], { strides: [2, 2] }),
]

it.each(samples.map((sample) => [sample.title, sample] as const))('%s', async (_, sample) => {
  const { pairs } = await checkSample(table.get('', 'Conv')!, sample, backend)
  expect(pairs.length).toBeGreaterThan(0)
  for (const { what, expected, received, tolerance } of pairs) {
    const scale = Math.max(1, Math.abs(expected), Math.abs(received))
    expect(Math.abs(expected - received) / scale, `${what}: ${expected}, ${received}`).toBeLessThan(tolerance)
  }
})
