import { expect, test } from 'vitest'
import type { DType } from '../core/dtype.ts'
import { createArena, planLayout } from '../runtime/arena.ts'
import { createKernels } from '../runtime/kernels/kernels.ts'
import { adamw } from './adam.ts'
import { lion } from './lion.ts'
import type { Optimizer } from './optimizer.ts'
import { rmsprop } from './rmsprop.ts'
import { segmentsOf, standardTreatment, trainingRegions } from './segments.ts'
import { sgd } from './sgd.ts'
import { applyUpdate, firstNonFinite, type GradientRules, gradientRules, normOf, penaltyOf } from './update.ts'

const spec = (name: string, ...shape: number[]) => ({ name, dtype: 'float32' as DType, shape })
const layout = planLayout([spec('a/kernel', 3, 5), spec('a/bias', 5), spec('norm/scale', 5), spec('b/kernel', 5, 2)])

function setUp(optimizer: Optimizer = sgd({ learningRate: 1 })) {
  const arena = createArena({ regions: trainingRegions(layout, optimizer) })
  const kernels = createKernels(arena.memory)
  const data = (region: string, name: string) => arena.region(region).view(name).data as Float32Array
  const fill = (region: string, value: number) => {
    for (const view of arena.region(region).views.values()) (view.data as Float32Array).fill(value)
  }
  const update = (rules: Partial<GradientRules>, gradientScale = 1) =>
    applyUpdate(kernels, optimizer, segmentsOf(arena, optimizer), gradientRules(rules), {
      learningRate: 1,
      step: 1,
      gradientScale,
    })
  return { arena, kernels, optimizer, data, fill, update }
}

test('segments are the longest runs of equal treatment and cover the region', () => {
  const { arena, optimizer } = setUp(adamw())
  const segments = segmentsOf(arena, optimizer)
  expect(segments.map(({ count, decayFactor }) => [count, decayFactor])).toEqual([
    [16, 1],
    [32, 0],
    [16, 1],
  ])
  const second = segments[1]!
  expect(second.parameters).toBe(arena.region('parameters').byteOffset + 64)
  expect(second.gradients).toBe(arena.region('gradients').byteOffset + 64)
  expect(second.slots).toEqual(optimizer.slots.map((slot) => arena.region(slot).byteOffset + 64))
  expect(segmentsOf(arena, optimizer, () => ({ decayFactor: 1, learningRateFactor: 1 }))).toHaveLength(1)
})

test('weight decay leaves biases and normalisation alone', () => {
  const { data, fill, update } = setUp(adamw({ weightDecay: 0.5 }))
  fill('parameters', 2)
  update({})
  const values = (name: string) => new Set(data('parameters', name))
  expect([values('a/kernel'), values('b/kernel')]).toEqual([new Set([1]), new Set([1])])
  expect([values('a/bias'), values('norm/scale')]).toEqual([new Set([2]), new Set([2])])
})

test('a learning-rate factor slows a parameter, and 0 freezes it', () => {
  const { arena, kernels, optimizer, data, fill } = setUp()
  fill('gradients', 1)
  const factors: Record<string, number> = { 'a/kernel': 0, 'a/bias': 0.5 }
  const segments = segmentsOf(arena, optimizer, (p) => ({
    ...standardTreatment(p),
    learningRateFactor: factors[p.name] ?? 1,
  }))
  applyUpdate(kernels, optimizer, segments, gradientRules(), { learningRate: 1, step: 1, gradientScale: 1 })
  expect([...layout.places.keys()].map((name) => data('parameters', name)[0])).toEqual([0, -0.5, -1, -1])
})

test('clipNorm limits the norm over all parameters after the gradient scale', () => {
  const { arena, kernels, optimizer, data, fill, update } = setUp()
  fill('gradients', 4) // 35 elements
  expect(normOf(kernels, segmentsOf(arena, optimizer))).toBeCloseTo(4 * Math.sqrt(35), 10)
  const report = update({ clipNorm: 0.5 }, 0.5)
  expect(report).toEqual({ gradientNorm: 2 * Math.sqrt(35), applied: true })
  const moved = [...layout.places.keys()].flatMap((name) => [...data('parameters', name)])
  expect(Math.hypot(...moved)).toBeCloseTo(0.5, 6)
  fill('parameters', 0)
  update({ clipNorm: 1e6 }, 0.5)
  expect(data('parameters', 'a/bias')[0]).toBe(-2)
})

test('clipValue limits each gradient, penalties included, and scales those it does not touch', () => {
  const { data, fill, update } = setUp()
  fill('parameters', 1)
  fill('gradients', 0.5)
  update({ clipValue: 0.75, l1: 0.5 }, 0.5) // kernels: 0.25 + 0.5, exactly at the limit; biases 0.25
  expect([data('parameters', 'a/kernel')[0], data('parameters', 'a/bias')[0]]).toEqual([0.25, 0.75])
  fill('gradients', 100)
  fill('parameters', 0)
  update({ clipValue: 0.75, l2: 1 })
  expect([data('parameters', 'a/kernel')[0], data('parameters', 'a/bias')[0]]).toEqual([-0.75, -0.75])
})

test('penalties: the gradient is that of the value, on decaying segments alone', () => {
  const { arena, kernels, optimizer, data, fill, update } = setUp()
  fill('parameters', -2)
  const rules = gradientRules({ l1: 0.1, l2: 0.25 })
  expect(penaltyOf(kernels, segmentsOf(arena, optimizer), rules)).toBeCloseTo(25 * (0.1 * 2 + 0.25 * 4), 5)
  update(rules)
  expect(data('gradients', 'b/kernel')[3]).toBeCloseTo(-0.1 - 0.25 * 2 * 2, 6)
  expect(data('gradients', 'a/bias')[0]).toBe(0)
})

test('with clipNorm, a gradient that is NaN changes nothing, and its parameter is named', () => {
  const { arena, kernels, data, fill, update } = setUp()
  fill('gradients', 1)
  expect(firstNonFinite(kernels, arena.region('gradients'))).toBeUndefined()
  data('gradients', 'norm/scale')[4] = Number.NaN
  expect(update({ clipNorm: 1 })).toEqual({ gradientNorm: Number.NaN, applied: false })
  expect(arena.region('parameters').whole.every((x) => x === 0)).toBe(true)
  expect(firstNonFinite(kernels, arena.region('gradients'))).toEqual({ name: 'norm/scale', index: 4 })
})

test('wrong rules, regions and parameters are told apart', () => {
  expect(() => gradientRules({ clipNorm: -1 })).toThrow(
    "option 'clipNorm' of gradient rules must be a number >= 0, received -1",
  )
  expect(() => gradientRules({ clipNorm: 1, clipValue: 1 })).toThrow('received both')
  expect(() => gradientRules({ clipnorm: 1 } as object)).toThrow("Did you mean 'clipNorm'?")
  const optimizer = sgd()
  const whole = createArena({
    regions: trainingRegions(planLayout([{ name: 'ids', dtype: 'int32', shape: [2] }]), optimizer),
  })
  expect(() => segmentsOf(whole, optimizer)).toThrow("optimizers update float32 parameters, 'ids' is int32")
  const other = createArena({ regions: { parameters: layout, gradients: planLayout([spec('x', 1)]) } })
  expect(() => segmentsOf(other, optimizer)).toThrow("region 'gradients' of the arena must have the layout object")
  expect(() => segmentsOf(setUp().arena, adamw())).toThrow("the arena has no region 'firstMoment'")
  expect(() => segmentsOf(setUp().arena, optimizer, () => ({ decayFactor: 1, learningRateFactor: -1 }))).toThrow(
    "factors for parameter 'a/kernel' must be numbers >= 0, received -1",
  )
})

test.each([
  [adamw({ beta1: 0.5, beta2: 0.8 })],
  [sgd({ momentum: 0.9 })],
  [rmsprop({ rho: 0.5, momentum: 0.8 })],
  [lion({ beta2: 0.8 })],
])('averages of gradients that stopped end at 0 and are never denormal', (optimizer) => {
  const { arena, kernels, fill } = setUp(optimizer)
  fill('gradients', 1)
  const segments = segmentsOf(arena, optimizer)
  for (let step = 1; step < 1500; step++) {
    applyUpdate(kernels, optimizer, segments, gradientRules(), { learningRate: 1e-3, step, gradientScale: 1 })
    for (const slot of optimizer.slots) {
      const value = Math.abs(arena.region(slot).whole[0]!)
      expect(value === 0 || value >= 2 ** -126).toBe(true)
    }
    fill('gradients', 0)
  }
  expect(optimizer.slots.map((slot) => arena.region(slot).whole[0])).toEqual(optimizer.slots.map(() => 0))
})
