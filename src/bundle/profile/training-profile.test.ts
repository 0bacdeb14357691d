import { describe, expect, test } from 'vitest'
import { sampleFiles, sampleManifest, samplePixels } from '../../../test/sample-bundle.ts'
import type { Manifest } from '../../contract/manifest.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import { memoryFiles, openBundle, writeBundle } from '../index.ts'
import { measuresOf, trainingProfile } from './training-profile.ts'

const pictures: Manifest = { ...sampleManifest, files: {} }

const tableManifest: Manifest = {
  ...pictures,
  task: 'tabular-regression',
  labels: [],
  inputs: [
    { name: 'numbers', dtype: 'float64', shape: ['batch', 5] },
    { name: 'categories', dtype: 'int32', shape: ['batch', 1] },
  ],
  outputs: [{ name: 'value', dtype: 'float32', shape: ['batch', 1] }],
  preprocessing: {
    kind: 'table',
    target: 'price',
    missing: [],
    columns: [
      { name: 'colour', kind: 'category', feature: 'oneHot', state: { values: ['red', 'blue'], gaps: true } },
      { name: 'size', kind: 'number', feature: 'standard', state: { mean: 0, deviation: 1, gaps: false } },
      { name: 'sold', kind: 'date', feature: 'date', state: { mean: 0, deviation: 1, gaps: false } },
    ],
  },
}

function read(manifest: Manifest, side: 'inputs' | 'outputs', tensors: NamedTensors, row: number) {
  const { list, read } = measuresOf(manifest)[side]
  const into = new Float64Array(list.length)
  read(tensors, row, into)
  return Object.fromEntries(list.map(({ name }, i) => [name, into[i]]))
}

describe('measures', () => {
  test('of a grey picture: mean, deviation, and steps between neighbours', () => {
    const data = samplePixels(3)
    const row = data.subarray(144, 288)
    const mean = row.reduce((sum, x) => sum + x, 0) / 144
    const deviation = Math.sqrt(row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 144)
    let steps = 0
    for (let i = 0; i < 144; i++) if (i % 12 > 0) steps += Math.abs(row[i]! - row[i - 1]!)
    const found = read(pictures, 'inputs', { pixels: { dtype: 'uint8', shape: [3, 1, 12, 12], data } }, 1)
    expect(Object.keys(found)).toEqual(['brightness', 'contrast', 'roughness'])
    expect(found.brightness).toBeCloseTo(mean, 9)
    expect(found.contrast).toBeCloseTo(deviation, 6)
    expect(found.roughness).toBeCloseTo(steps / 132, 9)
  })

  test('of a large picture in colours read no more cells than of a small one', () => {
    const inputs = [{ name: 'pixels', dtype: 'uint8', shape: ['batch', 3, 500, 300] }]
    const data = new Uint8Array(3 * 500 * 300)
    data.fill(10, 0, 150_000).fill(20, 150_000, 300_000).fill(60, 300_000)
    const tensors: NamedTensors = { pixels: { dtype: 'uint8', shape: [1, 3, 500, 300], data } }
    const found = read({ ...pictures, inputs }, 'inputs', tensors, 0)
    expect(found).toMatchObject({ brightness: 30, roughness: 0, red: 10, green: 20, blue: 60 })
  })

  test('of a row: a number, a place in the names, four of a date; missing ones are NaN', () => {
    const tensors: NamedTensors = {
      numbers: { dtype: 'float64', shape: [2, 5], data: Float64Array.of(1, 2, 3, 4, 5, 6, NaN, NaN, NaN, NaN) },
      categories: { dtype: 'int32', shape: [2, 1], data: Int32Array.of(3, 1) },
    }
    const first = read(tableManifest, 'inputs', tensors, 0)
    expect(first).toEqual({ colour: 3, size: 1, 'sold[0]': 2, 'sold[1]': 3, 'sold[2]': 4, 'sold[3]': 5 })
    expect(read(tableManifest, 'inputs', tensors, 1)).toMatchObject({ colour: NaN, size: 6, 'sold[0]': NaN })
    expect(measuresOf(tableManifest).inputs.list[0]!.values).toEqual(['', '', 'red', 'blue'])
  })

  test('of columns with an input of their own: a picture as pictures are, a sound by its mean', () => {
    const columns = [
      { name: 'photo', kind: 'image', feature: 'pixels', state: { channels: 1, height: 2, width: 2 } },
      { name: 'call', kind: 'audio', feature: 'waveform', state: { samples: 4, rate: 8000 } },
    ]
    const preprocessing = { kind: 'table' as const, target: 'price', missing: [], columns }
    const tensors: NamedTensors = {
      'image:photo': { dtype: 'uint8', shape: [2, 1, 2, 2], data: Uint8Array.of(0, 0, 0, 0, 10, 30, 10, 30) },
      'audio:call': { dtype: 'float32', shape: [2, 4], data: Float32Array.of(9, 9, 9, 9, 1, 2, 3, 6) },
    }
    expect(read({ ...tableManifest, preprocessing }, 'inputs', tensors, 1)).toEqual({
      ...{ 'brightness of photo': 20, 'contrast of photo': 10, 'roughness of photo': 20 },
      'mean of call': 3,
    })
  })

  test('of answers: the class and how sure it is, or the value of the target', () => {
    const probabilities = {
      dtype: 'float32',
      shape: [1, 5],
      data: Float32Array.of(0.125, 0.5, 0.125, 0.25, 0),
    } as const
    expect(read(pictures, 'outputs', { probabilities }, 0)).toEqual({ class: 1, confidence: 0.5 })
    const value = { dtype: 'float32', shape: [2, 1], data: Float32Array.of(3, 4) } as const
    expect(read(tableManifest, 'outputs', { value }, 1)).toEqual({ price: 4 })
  })
})

describe('profile.json', () => {
  const rows = Int32Array.of(0, 2)
  const made = trainingProfile(pictures, {
    inputs: { tensors: { pixels: { dtype: 'uint8', shape: [3, 1, 12, 12], data: samplePixels(3) } }, rows },
    outputs: {
      tensors: {
        probabilities: { dtype: 'float32', shape: [3, 5], data: Float32Array.from({ length: 15 }, (_, i) => i % 4) },
      },
      rows,
    },
  })

  test('comes back from a bundle as it was written; a bundle without one has none', async () => {
    expect(made).toMatchObject({ examples: 2, outputs: [{ name: 'class', counts: [1, 1, 0] }, { kind: 'numbers' }] })
    const files = memoryFiles()
    const { model } = await openBundle(await sampleFiles(), 'tiny')
    await writeBundle(files, { model, manifest: sampleManifest, profile: made })
    expect((await openBundle(files, 'tiny')).profile).toEqual(made)
    expect((await openBundle(await sampleFiles(), 'tiny')).profile).toBeUndefined()
  })

  test('of a stranger is checked', async () => {
    const { model } = await openBundle(await sampleFiles(), 'tiny')
    const wrong = [
      [{ ...made, examples: -1 }, 'examples'],
      [{ ...made, outputs: [{ kind: 'numbers', name: 'x', edges: [2, 1], counts: [1, 1, 1], missing: 0 }] }, 'ascend'],
      [{ ...made, outputs: [{ kind: 'names', name: 'x', values: ['a'], counts: [1], missing: 0 }] }, 'one entry more'],
    ] as const
    for (const [profile, message] of wrong) {
      const files = memoryFiles()
      await writeBundle(files, { model, manifest: sampleManifest, profile: profile as typeof made })
      await expect(openBundle(files, 'tiny')).rejects.toThrow(message)
    }
  })
})
