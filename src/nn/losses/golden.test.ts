/** Every loss against PyTorch, or a formula written out in it: test/golden/losses.py made the numbers. */
import { describe, expect, test } from 'vitest'
import golden from '../../../test/golden/losses.json' with { type: 'json' }
import { runGraph } from '../../../test/run-layer.ts'
import { backward } from '../../autodiff/backward.ts'
import type { DType } from '../../core/dtype.ts'
import { type Tensor, tensorFromNumbers } from '../../core/tensor.ts'
import { GraphBuilder } from '../../graph/builder.ts'
import { Emitter } from '../../ops/emitter.ts'
import { table } from '../../ops/index.ts'
import * as nn from './index.ts'

interface Case {
  readonly p: number[]
  readonly shape: number[]
  readonly t: number[]
  readonly targetShape: number[]
  readonly targetType: string
  readonly value: number
  readonly gradient: number[]
  readonly each?: number[]
}

const zeroInfinity = true
const logits = { fromLogits: true }
const classWeights = [0.5, 1, 2, 0.25]
const losses: Record<string, nn.Loss> = {
  ctc: nn.ctc(),
  'ctc, blank 4': nn.ctc({ blank: 4 }),
  'ctc, as short as can be': nn.ctc(),
  'ctc, impossible': nn.ctc({ zeroInfinity }),
  'ctc, far logits': nn.ctc(),
  'ctc, one step': nn.ctc(),
  'ctc, input lengths': nn.ctc({ inputLengths: true }),
  'sparse, class weights': nn.sparseCategoricalCrossentropy({ ...logits, classWeights }),
  'sparse, class weights, smoothing': nn.sparseCategoricalCrossentropy({
    ...logits,
    classWeights,
    labelSmoothing: 0.1,
  }),
  'sparse, ignoreIndex': nn.sparseCategoricalCrossentropy({ ...logits, ignoreIndex: -100 }),
  'sparse, ignoreIndex 0': nn.sparseCategoricalCrossentropy({ ...logits, ignoreIndex: 0 }),
  'categorical, class weights': nn.categoricalCrossentropy({ ...logits, classWeights }),
  'binary, positiveWeight': nn.binaryCrossentropy({ ...logits, positiveWeight: 3 }),
  'binary focal, logits': nn.binaryFocalCrossentropy(logits),
  'binary focal, alpha, gamma 0.5': nn.binaryFocalCrossentropy({ ...logits, alpha: 0.25, gamma: 0.5 }),
  'binary focal, probabilities': nn.binaryFocalCrossentropy(),
  'categorical focal, logits': nn.categoricalFocalCrossentropy(logits),
  'categorical focal, class weights': nn.categoricalFocalCrossentropy({ ...logits, classWeights, gamma: 1.5 }),
  logCosh: nn.logCosh(),
  meanAbsolutePercentageError: nn.meanAbsolutePercentageError(),
  quantile: nn.quantile(),
  'quantile 0.9': nn.quantile({ quantiles: 0.9 }),
  quantiles: nn.quantile({ quantiles: [0.1, 0.5, 0.9] }),
  poisson: nn.poisson(),
  'poisson, log rate': nn.poisson({ logRate: true }),
  cosineSimilarity: nn.cosineSimilarity(),
  'klDivergence, logits': nn.klDivergence(logits),
  'klDivergence, probabilities': nn.klDivergence(),
  'klDivergence, one-hot targets': nn.klDivergence(logits),
  'jensenShannon, logits': nn.jensenShannon(logits),
  hinge: nn.hinge(),
  'hinge, targets 0 and 1': nn.hinge(),
  squaredHinge: nn.squaredHinge(),
  categoricalHinge: nn.categoricalHinge(),
  multiMargin: nn.multiMargin(),
  'multiMargin, squares, weights': nn.multiMargin({ power: 2, margin: 0.7, classWeights }),
  dice: nn.dice(),
  'dice, logits, per class': nn.dice({ ...logits, perClass: true, smooth: 0.5, classWeights: [1, 3] }),
  tversky: nn.tversky({ alpha: 0.3, beta: 0.7 }),
  jaccard: nn.jaccard(),
  infoNce: nn.infoNce(),
  'infoNce, twice the same thing': nn.infoNce({ temperature: 0.5 }),
  clip: nn.clip(),
  ntXent: nn.ntXent({ temperature: 0.5 }),
  contrastive: nn.contrastive(),
  'contrastive, margin 3': nn.contrastive({ margin: 3 }),
  'triplet, hard': nn.triplet(),
  'triplet, semi-hard': nn.triplet({ margin: 0.4, mining: 'semiHard' }),
  gaussianNll: nn.gaussianNll(),
  gaussianMixture: nn.gaussianMixture(),
  logisticMixture: nn.logisticMixture(),
  'logisticMixture, 16-bit': nn.logisticMixture({ levels: 65536, minLogScale: -14 }),
  'latentKl, beta 4': nn.latentKl({ beta: 4 }),
  combinedLoss: nn.combinedLoss([{ loss: nn.binaryCrossentropy() }, { loss: nn.dice(), weight: 0.5 }]),
  'weighted sparse': nn.weighted(nn.sparseCategoricalCrossentropy(logits)),
  'weighted squares': nn.weighted(nn.meanSquaredError()),
}

/** Largest difference, relative to the largest expected element. */
function expectClose(received: Tensor, expected: readonly number[], what: string, tolerance: number): void {
  const data = received.data as Float32Array
  expect(data.length, what).toBe(expected.length)
  const size = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3)
  for (const [i, x] of expected.entries()) {
    const error = Math.abs(data[i]! - x) / size
    if (!(error <= tolerance)) expect.fail(`${what}[${i}]: expected ${x}, received ${data[i]} (error ${error})`)
  }
}

describe('golden values', () => {
  test('every case has its loss', () => {
    expect(Object.keys(losses).sort()).toEqual(Object.keys(golden).sort())
  })

  for (const [name, expected] of Object.entries(golden as Record<string, Case>)) {
    test(`${name}: value, losses of the examples, gradient`, async () => {
      const loss = losses[name]!
      const predictions = tensorFromNumbers('float32', expected.shape, expected.p)
      const targets = tensorFromNumbers(expected.targetType as DType, expected.targetShape, expected.t)
      const g = new Emitter(table, new GraphBuilder('loss'))
      const p = g.builder.input('p', predictions)
      const t = g.builder.input('t', targets)
      const value = loss.apply(g, p, t)
      const each = expected.each && loss.each ? [loss.each(g, p, t)] : []
      const results = await runGraph(g, [value, ...backward(g, value, [p]), ...each], { p: predictions, t: targets })
      expect(results[0]!.shape).toEqual([])
      expectClose(results[0]!, [expected.value], 'value', 3e-6)
      expectClose(results[1]!, expected.gradient, 'gradient', 2e-5)
      if (expected.each) expectClose(results[2]!, expected.each, 'loss of example', 3e-6)
    })
  }
})
