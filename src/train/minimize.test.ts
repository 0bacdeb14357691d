import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { prepare } from '../../test/run-training.ts'
import { float32 } from '../core/tensor.ts'
import { createDataset } from '../data/dataset.ts'
import * as nn from '../nn/index.ts'
import { lbfgs } from '../optim/lbfgs.ts'
import { gradientKeeper, minimize } from './minimize.ts'

const golden = JSON.parse(await readFile(new URL('../../test/golden/lbfgs.json', import.meta.url), 'utf8')) as Record<
  'rosenbrock' | 'ridge',
  { values: number[]; x: number[] }
>

async function rosenbrock(x: Float64Array) {
  const gradient = new Float64Array(x.length)
  let value = 0
  for (let i = 0; i + 1 < x.length; i++) {
    const [a, b] = [x[i + 1]! - x[i]! ** 2, 1 - x[i]!]
    value += 100 * a * a + b * b
    gradient[i]! += -400 * a * x[i]! - 2 * b
    gradient[i + 1]! += 200 * a
  }
  return { value, gradient }
}

test("Rosenbrock's valley is followed to its end, in about as many iterations as PyTorch's", async () => {
  const start = Float64Array.of(-1.2, 1, -1.2, 1, -1.2, 1)
  const found = await lbfgs(rosenbrock, start, { gradientTolerance: 1e-8, changeTolerance: 0 })
  expect(found.reason).toBe('gradient')
  for (const [i, x] of found.x.entries()) expect(x).toBeCloseTo(golden.rosenbrock.x[i]!, 7)
  const theirs = golden.rosenbrock.values.findIndex((value) => value < 1e-15)
  expect(theirs).toBeGreaterThan(10)
  expect(found.iterations).toBeLessThan(1.5 * theirs)
})

test("a network's loss over all examples ends where PyTorch's does", async () => {
  const rows = Array.from({ length: 12 }, (_, i) => [Math.sin(3 * i + 1), Math.cos(5 * i)])
  const label = rows.map(([a], i) => Math.sin(7 * i) + 2 * a!)
  const { step } = await prepare({
    model: nn.sequential([nn.dense({ units: 1, kernelInitializer: 'zeros' })]),
    loss: nn.meanSquaredError(),
    optimizer: gradientKeeper,
    rules: { l2: 0.01 },
    train: createDataset({ columns: { x: float32([12, 2], rows.flat()), label: float32([12, 1], label) } }),
    batchSize: 12,
  })
  ;(step.batch.x!.data as Float32Array).set(rows.flat())
  ;(step.batch.label!.data as Float32Array).set(label)
  const { value, iterations } = await minimize(step, 12)
  expect(value).toBeCloseTo(golden.ridge.values.at(-1)!, 5)
  expect(iterations).toBeLessThanOrEqual(golden.ridge.values.length)
  const [w, b] = ['kernel', 'bias'].map((name) => [...(step.parameters.get(`dense/${name}`)!.data as Float32Array)])
  for (const [i, x] of [...w!, ...b!].entries()) expect(x).toBeCloseTo(golden.ridge.x[i]!, 3)
  await step.release()
})

test('limits end it, and options out of range are refused', async () => {
  const start = Float64Array.of(-1.2, 1)
  expect(await lbfgs(rosenbrock, start, { maxIterations: 3 })).toMatchObject({ iterations: 3, reason: 'iterations' })
  await expect(lbfgs(rosenbrock, start, { historySize: 0 })).rejects.toThrow("option 'historySize' of lbfgs must be")
})
