/** Memory of gradients that holds other values until they are computed (passes/lend-memory.ts), in steps that train. */
import { expect, test } from 'vitest'
import { bytesOf } from '../../test/run-training.ts'
import { createRandom } from '../core/random.ts'
import * as nn from '../nn/index.ts'
import { table } from '../ops/index.ts'
import { createOptimizer } from '../optim/index.ts'
import { gradientRules } from '../optim/update.ts'
import type { Backend } from '../runtime/backend.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { createTrainingStep } from './step.ts'
import type { Recomputation } from './step-options.ts'

const [batchSize, context, classes] = [16, 64, 300]

/** Losses and all parameters and moments of a GPT whose values are as large as some of its gradients, and how many results its sessions had. */
async function train(backend: Backend, options: { recompute?: Recomputation; accumulate?: number }) {
  let results = 0
  const counting: Backend = {
    ...backend,
    async createSession(model, given) {
      const session = await backend.createSession(model, given)
      results += session.outputs.length
      return session
    },
  }
  const step = await createTrainingStep({
    network: {
      model: nn.sequential([
        nn.embedding({ inputDim: classes, outputDim: 256 }),
        ...[1, 2].map(() => nn.transformerDecoder({ numHeads: 4, dropout: 0.1 })),
        nn.dense({ units: classes }),
      ]),
      loss: nn.sparseCategoricalCrossentropy({ fromLogits: true }),
      inputs: [{ name: 'x', dtype: 'int32', shape: [context] }],
      target: { name: 'y', dtype: 'int32', shape: [context] },
      table,
    },
    optimizer: createOptimizer('adam'),
    backend: counting,
    session: { threads: 1 },
    random: createRandom(3),
    batchSize: batchSize * (options.accumulate ?? 1),
    rules: gradientRules({ clipNorm: 1 }),
    ...options,
  })
  const losses: number[] = []
  for (let i = 1; i <= 2; i++) {
    for (const [name, { data }] of Object.entries(step.batch)) {
      const numbers = data as Int32Array
      for (const at of numbers.keys()) numbers[at] = (at * (name === 'x' ? 7 : 3) + i) % classes
    }
    losses.push((await step.run(batchSize * (options.accumulate ?? 1), i, 0.01)).loss)
  }
  const state = bytesOf(step)
  await step.release()
  return { found: { losses, state }, results }
}

test.each([{ recompute: 'all' }, { accumulate: 2, recompute: 'all' }, {}] as const)(
  'a step whose gradients lend their memory trains to the same bits: %j',
  async (options) => {
    const lent = await train(createNodeBackend(), options)
    const apart = await train({ ...createNodeBackend(), writesAtOnce: () => false }, options)
    expect(lent.found).toEqual(apart.found)
    // without recomputation nearly all is read by gradients that nothing waits for
    if ('recompute' in options) expect(lent.results).toBeGreaterThan(apart.results)
  },
  90_000,
)

test('only a runtime that writes into the memory of the processor lends', () => {
  expect(createNodeBackend().writesAtOnce?.()).toBe(true)
  expect(createNodeBackend().writesAtOnce?.({ device: 'cuda' })).toBe(false)
  expect(createNodeBackend({ device: 'webgpu' }).writesAtOnce?.()).toBe(false)
})
