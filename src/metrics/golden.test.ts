/** Against scikit-learn: test/golden/metrics.py made the numbers. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { classScores } from './class-scores.ts'
import { confusionMatrix } from './confusion-matrix.ts'
import { classificationMetrics, createMeter, regressionMetrics } from './index.ts'
import type { Average, ClassificationBatch, RegressionBatch } from './metric.ts'

interface Golden {
  readonly classification: readonly {
    classes: number
    labels: number[]
    probabilities: number[]
    weights: number[]
    accuracy: number
    top2Accuracy: number
    crossEntropy: number
    brierScore: number
    calibrationError: number
    areaUnderRoc: number
    sensitivityAt80Specificity: number
    confusionMatrix: number[]
    scores: Record<string, Record<'precision' | 'recall' | 'f1', number>>
    perClass: Record<'precision' | 'recall' | 'f1' | 'support', number[]>
  }[]
  readonly regression: readonly {
    outputs: number
    targets: number[]
    predictions: number[]
    weights: number[]
    meanSquaredError: number
    meanAbsoluteError: number
  }[]
}

const golden = JSON.parse(readFileSync(new URL('../../test/golden/metrics.json', import.meta.url), 'utf8')) as Golden

describe.each(golden.classification)('classification with $classes classes', (expected) => {
  const { classes, labels, weights } = expected
  const batch: ClassificationBatch = {
    probabilities: Float32Array.from(expected.probabilities),
    labels,
    classes,
    weights,
  }
  const matrix = confusionMatrix.add(confusionMatrix.start(), batch)

  it('has the numbers of scikit-learn', () => {
    const meter = createMeter<ClassificationBatch>(classificationMetrics, [
      'accuracy',
      { name: 'topKAccuracy', k: 2 },
      'crossEntropy',
      'brierScore',
      { name: 'calibrationError', bins: 10 },
      'areaUnderRoc',
      { name: 'sensitivityAtSpecificity', specificity: 0.8 },
    ])
    meter.add(batch)
    const { accuracy, top2Accuracy, crossEntropy, brierScore, calibrationError, ...ranked } = meter.values()
    expect(ranked.areaUnderRoc).toBeCloseTo(expected.areaUnderRoc, 10)
    expect(ranked.sensitivityAt80Specificity).toBeCloseTo(expected.sensitivityAt80Specificity, 10)
    expect(accuracy).toBeCloseTo(expected.accuracy, 10)
    expect(top2Accuracy).toBeCloseTo(expected.top2Accuracy, 10)
    // the script divides the rounded rows by their sum for these two, as scikit-learn asks
    expect(crossEntropy).toBeCloseTo(expected.crossEntropy, 4)
    expect(brierScore).toBeCloseTo(expected.brierScore, 4)
    expect(calibrationError).toBeCloseTo(expected.calibrationError, 6)
  })

  it('has its confusion matrix and per-class scores', () => {
    expect(matrix.counts).toEqual(expected.confusionMatrix)
    const scores = classScores(matrix)
    for (const name of ['precision', 'recall', 'f1', 'support'] as const) {
      for (const [c, value] of expected.perClass[name].entries()) expect(scores[c]![name]).toBeCloseTo(value, 10)
    }
  })

  it.each(['macro', 'weighted', 'micro'] as const)(
    'has its %s averages with either zero division',
    (average: Average) => {
      for (const zeroDivision of [0, 1] as const) {
        for (const name of ['precision', 'recall', 'f1'] as const) {
          const metric = classificationMetrics.find((m) => m.name === name)!
          const value = metric.value(metric.add(metric.start({ average, zeroDivision }), batch))
          expect(value).toBeCloseTo(expected.scores[`${average}${zeroDivision}`]![name], 10)
        }
      }
    },
  )
})

it.each(golden.regression)('regression with $outputs outputs has the numbers of scikit-learn', (expected) => {
  const meter = createMeter<RegressionBatch>(regressionMetrics, ['meanSquaredError', 'meanAbsoluteError'])
  const { targets, outputs, weights } = expected
  meter.add({
    predictions: Float32Array.from(expected.predictions),
    targets: Float32Array.from(targets),
    outputs,
    weights,
  })
  expect(meter.values().meanSquaredError).toBeCloseTo(expected.meanSquaredError, 6)
  expect(meter.values().meanAbsoluteError).toBeCloseTo(expected.meanAbsoluteError, 6)
})
