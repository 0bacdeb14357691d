import { describe, expect, it } from 'vitest'
import { type ClassificationInput, reportClassification } from './classification.ts'

/** cat, dog, eel; six examples: four right, a dog taken for a cat (0.9), an eel for a cat (0.5). */
const six: ClassificationInput = {
  probabilities: Float32Array.of(
    ...[0.8, 0.1, 0.1],
    ...[0.6, 0.3, 0.1],
    ...[0.1, 0.9, 0],
    ...[0.9, 0.1, 0],
    ...[0.5, 0.2, 0.3],
    ...[0.1, 0.1, 0.8],
  ),
  labels: [0, 0, 1, 1, 2, 2],
  classes: ['cat', 'dog', 'eel'],
  ids: ['a', 'b', 'c', 'd', 'e', 'f'],
  slices: { site: ['north', 'north', 'north', 'south', 'south', 'south'] },
}

describe('reportClassification', () => {
  const report = reportClassification(six)

  it('counts and scores', () => {
    expect(report).toMatchObject({ examples: 6, correct: 4 })
    expect(report.confusion).toEqual([
      [2, 0, 0],
      [1, 1, 0],
      [1, 0, 1],
    ])
    expect(report.metrics.accuracy).toBeCloseTo(4 / 6)
    expect(report.metrics.microF1).toBeCloseTo(4 / 6)
    expect(Object.keys(report.metrics)).toContain('top2Accuracy')
    expect(report.perClass[1]).toMatchObject({ label: 'dog', precision: 1, recall: 0.5, support: 2, predicted: 1 })
    expect(report.accuracyInterval.low).toBeCloseTo(0.3, 2)
    expect(report.accuracyInterval.high).toBeCloseTo(0.9032, 3)
  })

  it('lists mistakes by confidence and pairs by count', () => {
    expect(report.worstMistakes.map((m) => [m.id, m.label, m.predicted])).toEqual([
      ['d', 'dog', 'cat'],
      ['e', 'eel', 'cat'],
    ])
    expect(report.worstMistakes[0]!.confidence).toBeCloseTo(0.9)
    expect(report.worstMistakes[1]!.labelProbability).toBeCloseTo(0.3)
    expect(report.confusedPairs[0]).toEqual({ label: 'dog', predicted: 'cat', count: 1, share: 0.5 })
    expect(reportClassification(six, { worst: 1 }).worstMistakes).toHaveLength(1)
  })

  it('scores slices, least accurate first', () => {
    expect(report.slices.map(({ by, group, examples }) => [by, group, examples])).toEqual([
      ['site', 'south', 3],
      ['site', 'north', 3],
    ])
    expect(report.slices[0]!.accuracy).toBeCloseTo(1 / 3)
  })

  it('leaves empty bins out', () => {
    const { calibration } = reportClassification(six, { bins: 10 })
    expect(calibration.reduce((sum, bin) => sum + bin.count, 0)).toBe(6)
    expect(calibration.every((bin) => bin.count > 0)).toBe(true)
  })

  it('is plain JSON', () => {
    expect(JSON.parse(JSON.stringify(report))).toEqual(report)
  })

  it('refuses what does not fit', () => {
    expect(() => reportClassification({ ...six, ids: ['a'] })).toThrow('expected 6, received 1')
    expect(() => reportClassification({ ...six, slices: { site: [] } })).toThrow("slice 'site'")
    const none = { probabilities: new Float32Array(0), labels: [], classes: ['cat'], ids: [] }
    expect(() => reportClassification(none)).toThrow('no example')
  })
})
