/** What building took of V8's young generation is given back where memory is what counts. */
import { getHeapSpaceStatistics } from 'node:v8'
import { expect, test } from 'vitest'
import { createRandom } from '../src/core/random.ts'
import * as nn from '../src/nn/index.ts'
import { table } from '../src/ops/index.ts'
import { createOptimizer } from '../src/optim/index.ts'
import type { Backend } from '../src/runtime/backend.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { createTrainingStep } from '../src/train/step.ts'
import type { Recomputation } from '../src/train/step-options.ts'

const youngBytes = (): number => getHeapSpaceStatistics().find((of) => of.space_name === 'new_space')!.space_size

/** The young generation grows by what outlives its collections. */
function grow(): void {
  let kept: number[][] = []
  for (let i = 0; i < 3e6; i++) {
    kept.push([i, i + 0.5])
    if (kept.length === 2e5) kept = []
  }
}

test('the young generation is small again', async () => {
  grow()
  const before = youngBytes()
  await createNodeBackend().giveMemoryBack!()
  expect(before).toBeGreaterThan(4 * 2 ** 20)
  expect(youngBytes()).toBeLessThan(before / 2)
})

/** How often a step that is made gives memory back. */
async function timesGiven(recompute: Recomputation | undefined): Promise<number> {
  let times = 0
  const node = createNodeBackend()
  const counting: Backend = {
    ...node,
    async giveMemoryBack() {
      times++
      await node.giveMemoryBack!()
    },
  }
  const step = await createTrainingStep({
    network: {
      model: nn.sequential([nn.dense({ units: 4, activation: 'relu' }), nn.dense({ units: 2 })]),
      loss: nn.sparseCategoricalCrossentropy({ fromLogits: true }),
      inputs: [{ name: 'x', dtype: 'float32', shape: [3] }],
      target: { name: 'y', dtype: 'int32', shape: [] },
      table,
    },
    optimizer: createOptimizer('sgd'),
    backend: counting,
    random: createRandom(1),
    batchSize: 2,
    recompute,
  })
  await step.run(2, 1, 0.1)
  await step.release()
  return times
}

test('once, and only where a step computes again to need less memory', async () => {
  expect(await timesGiven('all')).toBe(1)
  expect(await timesGiven(undefined)).toBe(0)
})
