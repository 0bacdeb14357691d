import { describe, expect, it } from 'vitest'
import { calibrationBins, calibrationError } from './calibration-error.ts'
import { averageScore, classScores } from './class-scores.ts'
import { confusionMatrix } from './confusion-matrix.ts'
import { classificationMetrics, createMeter, metricNamed, regressionMetrics } from './index.ts'
import { loss } from './mean.ts'
import type { ClassificationBatch, MetricConfig } from './metric.ts'

/** Four examples of three classes: right, right, wrong (2 for 1), wrong (0 for 2). */
const four: ClassificationBatch = {
  probabilities: Float32Array.of(0.8, 0.1, 0.1, 0.2, 0.5, 0.3, 0.1, 0.3, 0.6, 0.5, 0.25, 0.25),
  labels: [0, 1, 1, 2],
  classes: 3,
}

const scoreOf = (name: string, batch = four, config?: MetricConfig) => {
  const metric = metricNamed(classificationMetrics, name)
  return metric.value(metric.add(metric.start(config), batch))
}

describe('by hand', () => {
  it('accuracy and top-k', () => {
    expect(scoreOf('accuracy')).toBe(0.5)
    expect(scoreOf('topKAccuracy', four, { k: 1 })).toBe(0.5)
    // 0.25 ties with 0.25: the lower class comes first, so class 2 ranks third
    expect(scoreOf('topKAccuracy', four, { k: 2 })).toBe(0.75)
    expect(scoreOf('topKAccuracy', four, { k: 3 })).toBe(1)
  })

  it('cross-entropy and Brier score', () => {
    expect(scoreOf('crossEntropy')).toBeCloseTo(-Math.log(0.8 * 0.5 * 0.3 * 0.25) / 4, 6)
    const brier = [0.04 + 0.01 + 0.01, 0.04 + 0.25 + 0.09, 0.01 + 0.49 + 0.36, 0.25 + 0.0625 + 0.5625]
    expect(scoreOf('brierScore')).toBeCloseTo(brier.reduce((a, b) => a + b) / 4, 6)
    const certain = { probabilities: Float32Array.of(0, 1), labels: [0], classes: 2 }
    expect(scoreOf('crossEntropy', certain)).toBeCloseTo(-Math.log(1e-7), 6)
    expect(scoreOf('brierScore', certain)).toBe(2)
  })

  it('sensitivity at a specificity: the lowest threshold that leaves the others alone', () => {
    // In the order of the probability: class 1, 0, 1, 1, 0, 0; two share a threshold.
    const yes = [0.9, 0.8, 0.7, 0.6, 0.6, 0.1]
    const six = {
      probabilities: Float32Array.from(yes.flatMap((p) => [1 - p, p])),
      labels: [1, 0, 1, 1, 0, 0],
      classes: 2,
    }
    const at = (specificity: number) => scoreOf('sensitivityAtSpecificity', six, { specificity })
    expect(at(1)).toBeCloseTo(1 / 3, 12)
    expect(at(0.6)).toBeCloseTo(2 / 3, 12)
    expect(at(1 / 3)).toBe(1)
    expect(at(0)).toBe(1)
    expect(scoreOf('sensitivityAtSpecificity', { ...six, labels: [0, 0, 0, 0, 0, 0] })).toBeNaN()
    expect(() => at(1.5)).toThrow('specificity must be from 0 to 1, received 1.5')
  })

  it('precision, recall and F1: class 2 is predicted once, wrongly', () => {
    const matrix = confusionMatrix.add(confusionMatrix.start(), four)
    expect(matrix.counts).toEqual([1, 0, 0, 0, 1, 1, 1, 0, 0])
    expect(classScores(matrix)).toEqual([
      { precision: 0.5, recall: 1, f1: 2 / 3, support: 1, predicted: 2 },
      { precision: 1, recall: 0.5, f1: 2 / 3, support: 2, predicted: 1 },
      { precision: 0, recall: 0, f1: 0, support: 1, predicted: 1 },
    ])
    expect(averageScore(matrix, 'precision', 'weighted')).toBeCloseTo(0.625)
    expect(scoreOf('f1')).toBeCloseTo(4 / 9)
  })

  it('calibration: two bins', () => {
    const state = calibrationError.add(calibrationError.start({ bins: 2 }), four)
    // confidences 0.8, 0.6 in (0.5, 1], and 0.5, 0.5 in (0, 0.5]
    expect(state.counts).toEqual([2, 2])
    expect(calibrationBins(state)[1]).toMatchObject({ from: 0.5, to: 1, count: 2, accuracy: 0.5 })
    expect(calibrationError.value(state)).toBeCloseTo(0.5 * 0 + 0.5 * 0.2, 6)
  })

  it('loss weighted by the size of the batch', () => {
    expect(loss.value(loss.add(loss.start(), { values: [1, 3], weights: [32, 16] }))).toBeCloseTo((32 + 48) / 48)
  })
})

describe('bad input', () => {
  it('names the nearest metric', () => {
    expect(() => metricNamed(classificationMetrics, 'acuracy')).toThrow("unknown metric 'acuracy'")
    try {
      createMeter(regressionMetrics, ['meanSquareError'])
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({ kind: 'config', hint: "Did you mean 'meanSquaredError'?" })
    }
  })

  it.each([
    ['a label outside', { ...four, labels: [0, 1, 3, 2] }, 'labels must be integers from 0 to 2: example 2 has 3'],
    ['too few labels', { ...four, labels: [0] }, 'received 12'],
    ['negative weights', { ...four, weights: [1, 1, 1, -1] }, 'example 3 has -1'],
    ['missing weights', { ...four, weights: [1] }, 'expected 4, received 1'],
  ])('%s', (_, batch, message) => {
    for (const metric of classificationMetrics) expect(() => metric.add(metric.start(), batch)).toThrow(message)
  })

  it('an answer that is not a number', () => {
    const probabilities = Float32Array.from(four.probabilities)
    probabilities[4] = Number.NaN
    expect(() => scoreOf('accuracy', { ...four, probabilities })).toThrow('example 1 is not a number')
  })

  it.each(['accuracy', 'topKAccuracy', 'f1', 'calibrationError'])('%s of nothing is NaN', (name) => {
    expect(scoreOf(name, { probabilities: new Float32Array(0), labels: [], classes: 3 })).toBeNaN()
  })

  it('impossible options', () => {
    expect(() => scoreOf('topKAccuracy', four, { k: 0 })).toThrow('k must be a positive integer')
    expect(() => scoreOf('calibrationError', four, { bins: 1.5 })).toThrow('bins must be a positive integer')
    const metric = metricNamed(classificationMetrics, 'topKAccuracy')
    expect(() => metric.merge(metric.start({ k: 2 }), metric.start({ k: 3 }))).toThrow('k 2 and k 3')
  })
})

it('names each configured metric in a meter', () => {
  const meter = createMeter<ClassificationBatch>(classificationMetrics, [
    'accuracy',
    'topKAccuracy',
    { name: 'f1', average: 'weighted' },
    { name: 'recall', average: 'macro' },
  ])
  meter.add(four)
  expect(Object.keys(meter.values())).toEqual(['accuracy', 'top5Accuracy', 'weightedF1', 'recall'])
})

it('what needs all answers at once is of the last examples on the way, and of all at the end', () => {
  const specs = ['accuracy', 'areaUnderRoc', { name: 'sensitivityAtSpecificity' }]
  const meter = createMeter(classificationMetrics, specs)
  const add = (count: number, isRight: boolean): void => {
    const labels = Array.from({ length: count }, (_, i) => i % 2)
    const probabilities = Float32Array.from(
      labels.flatMap((label) => ((label === 1) === isRight ? [0.1, 0.9] : [0.9, 0.1])),
    )
    meter.add({ probabilities, labels, classes: 2 })
  }
  add(1000, false)
  expect(meter.soFar()).toEqual(meter.values())
  add(1024, true)
  expect(meter.values()).toMatchObject({ accuracy: 1024 / 2024 })
  expect(meter.values().areaUnderRoc).toBeLessThan(0.6)
  expect(meter.soFar()).toEqual({ accuracy: 1024 / 2024, areaUnderRoc: 1, sensitivityAt90Specificity: 1 })
})
