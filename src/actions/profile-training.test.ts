import { expect, test } from 'vitest'
import { sampleBundle, samplePixels } from '../../test/sample-bundle.ts'
import { createPipeline } from '../bundle/index.ts'
import { createDataset } from '../data/dataset.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { profiledCount, profileTraining } from './profile-training.ts'

test('examples are bounded by their number and by their size, the same everywhere', () => {
  expect(profiledCount(60_000, 784)).toBe(10_000)
  expect(profiledCount(60_000, 3 * 224 * 224)).toBe(664)
  expect(profiledCount(60_000, 3 * 1024 * 1024)).toBe(500)
  expect(profiledCount(120, 3 * 1024 * 1024)).toBe(120)
})

test('a split is profiled through the model, in the order of its rows', async () => {
  const count = 300
  const pixels = { dtype: 'uint8', shape: [count, 1, 12, 12], data: samplePixels(count) } as const
  const pipeline = await createPipeline(await sampleBundle(), { backend: createNodeBackend() })
  try {
    const { examples, inputs, outputs } = await profileTraining(pipeline, createDataset({ columns: { pixels } }))
    expect(examples).toBe(count)
    expect(inputs.map(({ name }) => name)).toEqual(['brightness', 'contrast', 'roughness'])
    const { probabilities } = await pipeline.infer({ pixels })
    const classes = Array.from({ length: count }, (_, i) => {
      const row = (probabilities!.data as Float32Array).subarray(5 * i, 5 * i + 5)
      return row.indexOf(Math.max(...row))
    })
    const [first] = outputs
    const counts = [0, 1, 2, 3, 4].map((place) => classes.filter((found) => found === place).length)
    expect(first!.counts.toSorted((a, b) => b - a).filter((n) => n > 0)).toEqual(
      counts.toSorted((a, b) => b - a).filter((n) => n > 0),
    )
    expect(outputs[1]!.counts.reduce((sum, n) => sum + n, 0)).toBe(count)
  } finally {
    await pipeline.release()
  }
})
