/**
 * Times each kernel over 690,000 elements, the parameters of the MNIST CNN: `npx jiti src/runtime/kernels/time.mjs`.
 * Prints the best and the median of 200 runs in ms; the runs of all kernels take turns.
 */
import { createArena, planLayout } from '../arena.ts'
import { createKernels } from './kernels.ts'

const count = 690_000
const layout = planLayout([{ name: 'x', dtype: 'float32', shape: [count] }])
const arena = createArena({ regions: { w: layout, g: layout, m: layout, v: layout, y: layout } })
const kernels = createKernels(arena.memory)
const [w, g, m, v, y] = ['w', 'g', 'm', 'v', 'y'].map((name) => arena.region(name).byteOffset)
const target = { parameters: w, gradients: g, count }
const key = { seed: 1, stream: 2, step: 3 }
const velocity = { rate: 1e-3, momentum: 0.9, shrink: 0 }
const adam = { gradientScale: 1, beta1: 0.9, beta2: 0.999, rate: 1e-3, epsilon: 1e-7, shrink: 1e-6 }
const adaptive = { gradientScale: 1, rho: 0.9, rate: 1e-3, epsilon: 1e-7, momentum: 0, shrink: 1e-6 }
const lamb = { ...adam, correction1: 2, correction2: 3, decay: 0 }

const runs = {
  sgd: () => kernels.sgd(target, { rate: 1e-3, shrink: 0 }),
  momentum: () => kernels.momentum(target, m, velocity),
  adam: () => kernels.adam(target, m, v, adam),
  rmsprop: () => kernels.rmsprop(target, { square: v }, adaptive),
  adagrad: () => kernels.adagrad(target, v, adaptive),
  adadelta: () => kernels.adadelta(target, v, m, adaptive),
  nadam: () => kernels.nadam(target, m, v, { ...adam, look: 1e-4 }),
  lion: () => kernels.lion(target, m, { ...adam, rate: 1e-4 }),
  flush: () => kernels.flush(m, count),
  axpy: () => kernels.axpy(y, g, count, 0.5),
  penalty: () => kernels.penalty(target, 1, 1e-4, 1e-4),
  sumOfSquares: () => kernels.sumOfSquares(g, count),
  firstNonFinite: () => kernels.firstNonFinite(g, count),
  dropoutMask: () => kernels.dropoutMask(y, count, key, 0.5),
  lamb: () => kernels.lamb({ ...target, gradients: y }, m, v, lamb), // it writes over the gradients
  uniform: () => kernels.uniform(y, count, key, -1, 1),
  normal: () => kernels.normal(y, count, key, 0, 1),
}

kernels.normal(g, count, key, 0, 1)
const times = Object.fromEntries(Object.keys(runs).map((name) => [name, []]))
for (let i = 0; i < 200; i++) {
  for (const [name, run] of Object.entries(runs)) {
    const start = performance.now()
    run()
    times[name].push(performance.now() - start)
  }
}
for (const [name, list] of Object.entries(times)) {
  list.sort((a, b) => a - b)
  process.stdout.write(`${name.padEnd(16)} best ${list[0].toFixed(3)} median ${list[100].toFixed(3)}\n`)
}
