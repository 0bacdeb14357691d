import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { createArena, planLayout } from '../runtime/arena.ts'
import { createKernels } from '../runtime/kernels/kernels.ts'
import { adafactor } from './adafactor.ts'
import { adam } from './adam.ts'
import { createOptimizer } from './index.ts'
import type { Optimizer } from './optimizer.ts'
import { segmentsOf, trainingRegions } from './segments.ts'
import { applyUpdate, gradientRules } from './update.ts'

const golden = JSON.parse(await readFile(new URL('../../test/golden/optimizers.json', import.meta.url), 'utf8')) as {
  adafactor: Record<string, number[]>
}

/** As in test/golden/optimizers.py. */
const noise = (step: number, i: number) => Math.sin(12.9898 * (step + 1) + 78.233 * (i + 1))
const spec = (name: string, ...shape: number[]) => ({ name, dtype: 'float32' as const, shape })

function setUp(optimizer: Optimizer, ...shapes: number[][]) {
  const layout = planLayout(shapes.map((shape, i) => spec(`p${i}`, ...shape)))
  const arena = createArena({ regions: trainingRegions(layout, optimizer) })
  const data = (region: string, i: number) => arena.region(region).view(`p${i}`).data as Float32Array
  const [kernels, segments] = [createKernels(arena.memory), segmentsOf(arena, optimizer)]
  const update = (step: number, gradientScale = 1) => {
    const scalars = { learningRate: optimizer.config.learningRate, step, gradientScale }
    return applyUpdate(kernels, optimizer, segments, gradientRules(), scalars)
  }
  return { arena, data, update, segments }
}

test.each(
  [
    ['5,7', {}],
    ['5,7 at a learning rate above 1 / sqrt(t)', { learningRate: 0.4 }],
    ['5,7 clipped', { clipThreshold: 0.25, relativeStep: false }],
    ['4,3,2,2', {}],
    ['1,6,5', {}],
    ['11', {}],
  ].flatMap(([name, options]) => [1, 1 / 8].map((scale) => [name, options, scale] as [string, object, number])),
)('%s equals the reference written out from the paper: %j, gradients times %d', (name, options, gradientScale) => {
  const shape = name.split(' ')[0]!.split(',').map(Number)
  // A neighbour of its own on either side: what is judged over a parameter sees that parameter alone.
  const { arena, data, update } = setUp(adafactor({ learningRate: 0.05, ...options }), [3], shape, [2, 9])
  const [w, g] = [data('parameters', 1), data('gradients', 1)]
  w.set(Float32Array.from(w, (_, i) => 0.5 * Math.cos(i + 1)))
  for (let step = 1; step <= 50; step++) {
    g.set(Float32Array.from(w, (x, i) => (3 * x + noise(step - 1, i)) / gradientScale))
    update(step, gradientScale)
  }
  const expected = golden.adafactor[name]!
  expect(expected).toHaveLength(w.length)
  expect(Math.max(...expected.map((x, i) => Math.abs(x - w[i]!)))).toBeLessThan(2e-6)
  for (const { layout, byteOffset } of arena.regions.values()) {
    const ends = [...layout.places.values()].map(({ byteOffset: at, byteLength }) => at + byteLength)
    for (const end of ends) {
      const padding = new Float32Array(arena.memory.buffer, byteOffset + end, (Math.ceil(end / 64) * 64 - end) / 4)
      expect(padding.every((x) => x === 0)).toBe(true)
    }
  }
})

test('matrices cost a number for each row and column, vectors one for each element', () => {
  const shapes = [[512, 2048], [2048], [64, 3, 3, 3], [1, 64, 48], []]
  const bytes = (optimizer: Optimizer) => {
    const { arena } = setUp(optimizer, ...shapes)
    return optimizer.slots.reduce((sum, slot) => sum + arena.region(slot).byteLength, 0)
  }
  const { arena } = setUp(adafactor(), ...shapes)
  const sizes = (slot: string) => [...arena.region(slot).views.values()].map(({ shape }) => shape)
  expect(sizes('rowSquares')).toEqual([[512], [2048], [64], [64], []])
  expect(sizes('columnSquares')).toEqual([[2048], [0], [27], [48], [0]])
  expect(bytes(adam()) / bytes(adafactor())).toBeGreaterThan(400)
})

test('parameters and gradients of zeros stay finite, and zeros move', () => {
  const { data, update } = setUp(adafactor(), [4, 3], [5])
  for (let step = 1; step <= 3; step++) update(step)
  expect([...data('parameters', 0), ...data('parameters', 1)].every((x) => x === 0)).toBe(true)
  data('gradients', 0).fill(1e-12)
  update(4)
  expect(data('parameters', 0)[0]).toBeLessThan(0)
  expect(data('parameters', 0)[0]).toBeGreaterThanOrEqual(-1e-5)
})

test('weight decay is a share of the step, and leaves vectors alone', () => {
  const { data, update } = setUp(adafactor({ weightDecay: 0.5, relativeStep: false, learningRate: 0.1 }), [2, 3], [3])
  for (const i of [0, 1]) data('parameters', i).fill(2)
  update(1)
  expect(data('parameters', 0)[0]).toBeCloseTo(2 - 0.1 * 2 * 0.5 * 2, 6)
  expect(data('parameters', 1)[0]).toBe(2)
})

test.each([
  [{ beta2Decay: 0 }, "option 'beta2Decay' of adafactor must be a number < 0, received 0"],
  [{ epsilon1: 0 }, "option 'epsilon1' of adafactor must be a number >= 1e-30, received 0"],
  [{ clipthreshold: 1 }, "Did you mean 'clipThreshold'?"],
])('%j is refused', (options, message) => {
  expect(() => createOptimizer({ name: 'adafactor', ...options })).toThrow(message)
})
