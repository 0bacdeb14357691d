import { describe, expect, it } from 'vitest'
import { sizeOf } from '../core/shape.ts'
import { shapeOf } from '../graph/graph.ts'
import { type Layer, trace } from '../nn/index.ts'
import { table } from '../ops/index.ts'
import { imageModelNames, imageModels } from './image-models.ts'

function traced(model: Layer, shape: readonly number[]): { parameters: number; output: readonly (number | string)[] } {
  const input = { name: 'image', type: { dtype: 'float32' as const, shape: ['batch', ...shape] } }
  const { parameters, output } = trace(model, [input], { table, training: false })
  const trained = parameters.filter(({ trainable }) => trainable)
  return { parameters: trained.reduce((sum, { spec }) => sum + sizeOf(spec.shape), 0), output: shapeOf(output) }
}

describe('image models', () => {
  it.each([
    ['mlp', 784 * 100 + 100 + 100 * 10 + 10],
    ['cnn', 9 * 32 + 32 + 13 * 13 * 32 * 128 + 128 + 128 * 10 + 10],
  ] as const)('%s has the parameters that its description says', (name, expected) => {
    expect(traced(imageModels[name](10), [1, 28, 28]).parameters).toBe(expected)
  })

  it.each(imageModelNames)('%s answers one number for each class, in colour and at odd sizes too', (name) => {
    expect(traced(imageModels[name](3), [3, 37, 29]).output).toEqual(['batch', 3])
  })

  it('says which layer a picture is too small for', () => {
    expect(() => traced(imageModels.cnn(3), [1, 2, 2])).toThrow(/conv2d/)
  })
})
