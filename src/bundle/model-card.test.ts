import { describe, expect, test } from 'vitest'
import { sampleManifest } from '../../test/sample-bundle.ts'
import { modelCard } from './model-card.ts'

describe('modelCard', () => {
  test('says how good, on how many examples, how made, how used', () => {
    const card = modelCard(sampleManifest)
    expect(card).toContain('# tiny')
    expect(card).toContain('| metric | validation (10 examples) | test (16 examples) |')
    expect(card).toContain('| accuracy | 0.9 | 0.875 |')
    expect(card).toContain('| loss | 0.31235 | 0.4 |')
    expect(card).toContain('3. dog')
    expect(card).toContain(sampleManifest.lineage.data.sha256)
    expect(card).toContain('"epochs": 3')
    expect(card).toContain("pipeline('image-classification', '.')")
    expect(card).toContain("new Tensor('uint8', pixels, [1, 1, 12, 12])")
    expect(card).toContain('ort.InferenceSession("model.onnx")')
    expect(card).toContain('like the 16 of the test split')
  })

  test('does not claim what was not measured', () => {
    const card = modelCard({ ...sampleManifest, metrics: { validation: { accuracy: 1 } } })
    expect(card).toContain('There was no test split')
    expect(card).toContain('how good the model is on new pictures is not known')
    expect(modelCard({ ...sampleManifest, metrics: {} })).toContain('The model was not evaluated.')
  })

  test('names of users cannot break out', () => {
    const hostile = '<img src=x onerror=alert(1)> | ](http://x) ``` \n# big'
    const card = modelCard({
      ...sampleManifest,
      name: hostile,
      labels: [hostile],
      lineage: { ...sampleManifest.lineage, config: { note: '````\n# out' } },
    })
    expect(card).not.toContain('<img')
    expect(card).not.toMatch(/^# big/m)
    expect(card).toContain('`````json')
  })
})
