/** Features against scikit-learn and PyTorch: test/golden/features.py made the numbers. */
import { describe, expect, it } from 'vitest'
import golden from '../../../test/golden/features.json' with { type: 'json' }
import { float32, type Tensor } from '../../core/tensor.ts'
import { GraphBuilder } from '../../graph/builder.ts'
import type { Value } from '../../graph/graph.ts'
import { writeModel } from '../../onnx/write.ts'
import { Emitter } from '../../ops/emitter.ts'
import { table as operators } from '../../ops/index.ts'
import { createNodeBackend } from '../../runtime/onnxruntime-node.ts'
import { resample } from '../resample.ts'
import { columnFromValues } from '../table/cells.ts'
import type { ColumnKind } from '../table/table.ts'
import type { FeatureContext } from './feature.ts'
import { features, ownFeatures } from './index.ts'
import { createTableEncoder } from './table-encoder.ts'

const noParameter = (): never => {
  throw new Error('a feature without parameters declared one')
}

/** The elements that a graph of one input gives. */
async function computed(name: string, fed: Tensor, write: (c: FeatureContext, x: Value) => Value): Promise<number[]> {
  const g = new Emitter(operators, new GraphBuilder('t'))
  const x = g.builder.input(name, { dtype: fed.dtype, shape: ['batch', ...fed.shape.slice(1)] })
  const output = write({ g, parameter: noParameter }, x)
  const session = await createNodeBackend().createSession(writeModel(g.builder.finish([output])).model)
  const result = (await session.run({ [name]: fed }))[output.name]!
  await session.release()
  return Array.from(result.data as Float32Array)
}

function expectClose(found: readonly number[], expected: readonly number[], digits: number): void {
  expect(found).toHaveLength(expected.length)
  for (const [i, value] of found.entries()) expect(value, `element ${i}`).toBeCloseTo(expected[i]!, digits)
}

describe('scikit-learn', () => {
  const { train, test, sets, ...expected } = golden['scikit-learn']

  async function encoded(feature: string, kind: ColumnKind, fitOn: readonly unknown[], values: readonly unknown[]) {
    const column = (of: readonly unknown[]) => columnFromValues({ name: 'c', kind, missing: [''] }, of)
    const record = features.find(({ name }) => name === feature)!
    const rows = Int32Array.from(fitOn.keys())
    const state = record.fit({ column: column(fitOn), rows }, {}) as Record<string, unknown>
    const encoder = createTableEncoder([{ name: 'c', kind, feature, state }])
    const table = { rows: values.length, first: 0, columns: new Map([['c', column(values)]]) }
    const { numbers } = encoder.encode(table, noParameter)
    return computed('numbers', numbers!, (c, x) => encoder.graph(c, { numbers: x }, { linear: false }))
  }

  it.each(['standard', 'minMax', 'robust', 'log'] as const)('%s', async (feature) => {
    expectClose(await encoded(feature, 'number', train, test), expected[feature], 5)
  })

  it('multiHot', async () => {
    const found = await encoded('multiHot', 'set', sets, sets)
    // The last cell of each row is our mark of a set that is missing.
    expect(found.filter((_, i) => i % 4 !== 3)).toEqual(expected.multiHot)
  })
})

describe('PyTorch', () => {
  const { rate, samples, ...expected } = golden.torch
  const options = { rate, seconds: 0.1 }
  const all = { stft: options, logMel: { ...options, mels: 12 }, mfcc: { ...options, mels: 12, coefficients: 5 } }

  it.each(['stft', 'logMel', 'mfcc'] as const)('%s of a sound, in the graph', async (name) => {
    const record = ownFeatures.find((feature) => feature.name === name)!
    const state = record.fit(
      { column: columnFromValues({ name: 'c', kind: 'audio', missing: [] }, []), rows: [] },
      all[name],
    )
    expect(record.shape(state)).toEqual([800])
    const found = await computed('sound', float32([1, 800], Float32Array.from(samples)), (c, x) =>
      record.graph(state, c, x),
    )
    const frames = 8
    // Of the spectrum itself the golden file keeps two frames.
    const kept = name === 'stft' ? found.filter((_, i) => i % frames < 2) : found
    // A single bin of a transform in single precision is less exact than a sum over a band.
    expectClose(kept, expected[name], name === 'stft' ? 2 : 3)
  })
})

it('another rate keeps the tones below its half, and nothing above', () => {
  const tone = (hertz: number, rate: number, count: number) =>
    Float32Array.from({ length: count }, (_, i) => Math.sin((2 * Math.PI * hertz * i) / rate))
  const [low, high] = [
    resample(tone(300, 16_000, 1600), 16_000, 8000),
    resample(tone(6000, 16_000, 1600), 16_000, 8000),
  ]
  const expected = tone(300, 8000, 800)
  expect(low).toHaveLength(800)
  for (let i = 50; i < 750; i++) {
    expect(low[i]).toBeCloseTo(expected[i]!, 2)
    expect(Math.abs(high[i]!)).toBeLessThan(0.01)
  }
  expect(resample(expected, 8000, 8000)).toBe(expected)
})
