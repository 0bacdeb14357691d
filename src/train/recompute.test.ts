import { expect, test } from 'vitest'
import { bytesOf, digits, prepare } from '../../test/run-training.ts'
import { createRandom } from '../core/random.ts'
import { createBatches } from '../data/batches.ts'
import * as nn from '../nn/index.ts'
import { table } from '../ops/index.ts'
import { createOptimizer } from '../optim/index.ts'
import { gradientRules } from '../optim/update.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { arraysOf } from './evaluate-dataset.ts'
import { createTrainingStep, type TrainingStep } from './step.ts'
import type { Recomputation } from './step-options.ts'

const block = () => nn.transformerDecoder({ numHeads: 2, dropout: 0.2 })

/** A small GPT with dropout, and a convolutional network with batch normalisation and pools. */
const gpt = (recompute?: Recomputation): Promise<TrainingStep> =>
  createTrainingStep({
    network: {
      model: nn.sequential([
        nn.embedding({ inputDim: 11, outputDim: 16 }),
        nn.positionEmbedding({}),
        ...[1, 2, 3, 4, 5].map(block),
        nn.dense({ units: 11 }),
      ]),
      loss: nn.sparseCategoricalCrossentropy({ fromLogits: true }),
      inputs: [{ name: 'x', dtype: 'int32', shape: [12] }],
      target: { name: 'y', dtype: 'int32', shape: [12] },
      table,
    },
    optimizer: createOptimizer('adam'),
    backend: createNodeBackend(),
    session: { threads: 1 },
    random: createRandom(3),
    batchSize: 4,
    rules: gradientRules({}),
    recompute,
  })

async function trainGpt(recompute?: Recomputation) {
  const step = await gpt(recompute)
  const losses: number[] = []
  for (let i = 1; i <= 4; i++) {
    for (const [name, { data }] of Object.entries(step.batch)) {
      const numbers = data as Int32Array
      for (const at of numbers.keys()) numbers[at] = (at * (name === 'x' ? 7 : 3) + i) % 11
    }
    losses.push((await step.run(4, i, 0.01)).loss)
  }
  const state = bytesOf(step)
  await step.release()
  return { losses, state }
}

test.each(['all', 'cheap'] as const)(
  'recompute %s: a transformer with dropout trains to the same bits',
  async (how) => {
    expect(await trainGpt(how)).toEqual(await trainGpt())
  },
)

test.each(['all', 'cheap'] as const)('recompute %s: convolutions, batch normalisation, dropout', async (how) => {
  const run = async (recompute?: Recomputation) => {
    const { step } = await prepare({ recompute })
    const batches = createBatches(digits(0, 72), { batchSize: 16, into: arraysOf(step), random: createRandom(1) })
    batches.start(1)
    const losses: number[] = []
    for (let i = 0; i < 4; i++) losses.push((await step.run(batches.fill(i), i + 1, 0.01)).loss)
    const state = bytesOf(step)
    await step.release()
    return { losses, state }
  }
  expect(await run(how)).toEqual(await run())
})

test('an unknown way is refused', async () => {
  await expect(gpt('some' as Recomputation)).rejects.toThrow(`recompute must be 'all' or 'cheap', received "some"`)
})
