/** What holds for every loss of the table: finite far out, slopes that are the differences of the values, errors that name the loss. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runGraph } from '../../../test/run-layer.ts'
import { backward } from '../../autodiff/backward.ts'
import { createRandom } from '../../core/random.ts'
import { type StaticShape, sizeOf } from '../../core/shape.ts'
import { float32, type Tensor, tensor } from '../../core/tensor.ts'
import { GraphBuilder } from '../../graph/builder.ts'
import type { Value } from '../../graph/graph.ts'
import { Emitter } from '../../ops/emitter.ts'
import { table } from '../../ops/index.ts'
import * as nn from './index.ts'
import { tripletLosses } from './triplet.ts'

/** Shapes and kinds of predictions and targets for a batch of 4. */
interface Form {
  readonly p: StaticShape
  readonly t: StaticShape
  /** default: any number */
  readonly predictions?: 'probability' | 'distribution' | 'positive'
  /** default: any number; a number: classes from 0 to below it */
  readonly targets?: 'distribution' | 'bit' | 'one-hot' | 'distinct' | 'sample' | number
  readonly loss?: nn.Loss
}

const same = { p: [4, 3], t: [4, 3] }
const rows = { ...same, targets: 'distribution' as const }
const pairs = { p: [4, 2, 5], t: [4], targets: 'distinct' as const }
const logits = { fromLogits: true }
const forms: Record<nn.LossName, Form> = {
  sparseCategoricalCrossentropy: { p: [4, 3], t: [4], targets: 3, loss: nn.sparseCategoricalCrossentropy(logits) },
  categoricalCrossentropy: { ...rows, loss: nn.categoricalCrossentropy(logits) },
  binaryCrossentropy: { ...same, targets: 'bit', loss: nn.binaryCrossentropy(logits) },
  categoricalFocalCrossentropy: { ...same, targets: 'one-hot', loss: nn.categoricalFocalCrossentropy(logits) },
  binaryFocalCrossentropy: { ...same, targets: 'bit', loss: nn.binaryFocalCrossentropy({ ...logits, gamma: 0.5 }) },
  meanSquaredError: same,
  meanAbsoluteError: same,
  meanAbsolutePercentageError: rows,
  huber: same,
  logCosh: same,
  quantile: same,
  poisson: { ...same, predictions: 'positive', targets: 5 },
  cosineSimilarity: same,
  klDivergence: { ...rows, loss: nn.klDivergence(logits) },
  jensenShannon: { ...rows, loss: nn.jensenShannon(logits) },
  hinge: { ...same, targets: 'bit' },
  squaredHinge: { ...same, targets: 'bit' },
  categoricalHinge: { ...same, targets: 'one-hot' },
  multiMargin: { p: [4, 3], t: [4], targets: 3 },
  dice: { ...same, predictions: 'probability', targets: 'bit' },
  tversky: { ...same, predictions: 'probability', targets: 'bit' },
  jaccard: { ...same, predictions: 'probability', targets: 'bit' },
  infoNce: pairs,
  ntXent: pairs,
  clip: pairs,
  contrastive: { ...pairs, targets: 'bit' },
  triplet: { p: [4, 3], t: [4], targets: 2 },
  gaussianNll: { p: [4, 3, 2], t: [4, 3] },
  gaussianMixture: { p: [4, 2, 4], t: [4, 2] },
  logisticMixture: { p: [4, 6], t: [4], targets: 'sample' },
  latentKl: { p: [4, 6], t: [4] },
  ctc: { p: [4, 6, 4], t: [4, 3], targets: 4, loss: nn.ctc({ zeroInfinity: true }) },
}

/** Classes 1 to 3 for CTC, whose class 0 is the blank. */
function drawTargets(name: string, { t, targets }: Form, seed: number): Tensor {
  const random = createRandom(seed).fork('targets')
  const size = sizeOf(t)
  if (typeof targets === 'number') {
    const least = name === 'ctc' ? 1 : 0
    return tensor(
      'int32',
      t,
      Int32Array.from({ length: size }, () => least + random.integer(targets - least)),
    )
  }
  if (targets === 'distinct')
    return tensor(
      'int32',
      t,
      Int32Array.from({ length: size }, (_, i) => i),
    )
  const data = Float32Array.from({ length: size }, () => {
    if (targets === 'bit') return random.integer(2)
    return targets === 'sample' ? random.integer(256) / 127.5 - 1 : random.normal()
  })
  const width = t.at(-1)!
  for (let at = 0; at < size && (targets === 'distribution' || targets === 'one-hot'); at += width) {
    const row = data.subarray(at, at + width)
    const chosen = random.integer(width)
    const values = row.map((v, i) => (targets === 'one-hot' ? (i === chosen ? 1 : 0) : Math.exp(v)))
    const sum = values.reduce((a, b) => a + b, 0)
    row.set(values.map((v) => v / sum))
  }
  return float32(t, data)
}

function drawPredictions({ p, predictions }: Form, seed: number, scale: number): Tensor<Float32Array> {
  const random = createRandom(seed).fork('predictions')
  return float32(
    p,
    Float32Array.from({ length: sizeOf(p) }, () => {
      const v = random.normal() * scale
      if (predictions === 'positive') return Math.abs(v) + 0.3
      return predictions === 'probability' ? 1 / (1 + Math.exp(-v)) : v
    }),
  )
}

function written(name: nn.LossName, predictions: Tensor, targets: Tensor) {
  const loss = forms[name].loss ?? nn.losses[name]()
  const g = new Emitter(table, new GraphBuilder(name))
  const [p, t] = [g.builder.input('p', predictions), g.builder.input('t', targets)]
  const value = loss.apply(g, p, t)
  return { g, value, gradient: backward(g, value, [p])[0]!, each: loss.each?.(g, p, t) }
}

const names = Object.keys(nn.losses) as nn.LossName[]
const numbers = (x: Tensor) => [...(x.data as Float32Array)]

describe('every loss of the table', () => {
  for (const name of names) {
    test(`${name}: finite at 1e4 and -1e4, with its gradient`, async () => {
      const form = forms[name]
      const targets = drawTargets(name, form, 1)
      const random = createRandom(3)
      const far = drawPredictions(form, 1, 1e4)
      if (!form.predictions) far.data.set(far.data.map(() => (random.integer(2) === 0 ? 1e4 : -1e4)))
      const { g, value, gradient } = written(name, far, targets)
      const found = await runGraph(g, [value, gradient], { p: far, t: targets })
      for (const x of found.flatMap(numbers)) expect(Number.isFinite(x), `${x}`).toBe(true)
    })

    // At a kink the slopes to both sides differ, and the gradient lies between them.
    test(`${name}: the gradient is the slope in random directions; the losses of the examples have the loss as mean`, async () => {
      const form = forms[name]
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: 1e6 }), async (seed) => {
          const targets = drawTargets(name, form, seed)
          const predictions = drawPredictions(form, seed, 1)
          const { g, value, gradient, each } = written(name, predictions, targets)
          const feeds = { p: predictions, t: targets }
          const [loss, slope, losses] = await runGraph(g, [value, gradient, ...(each ? [each] : [])], feeds)
          const random = createRandom(seed).fork('direction')
          const direction = predictions.data.map(() => (random.integer(2) === 0 ? -1 : 1))
          const h = form.predictions === 'probability' ? 1e-3 : 4e-3
          const at = async (by: number) => {
            const moved = predictions.data.map((v, i) => v + by * direction[i]!)
            return numbers((await runGraph(g, [value], { ...feeds, p: float32(form.p, moved) }))[0]!)[0]!
          }
          const [ahead, here, behind] = [await at(h), numbers(loss!)[0]!, await at(-h)]
          const slopes = [(ahead - here) / h, (here - behind) / h]
          const expected = numbers(slope!).reduce((sum, v, i) => sum + v * direction[i]!, 0)
          // Between the slopes to both sides, up to curvature and the rounding of float32
          const room = 0.02 * (1 + Math.abs(expected)) + (1e-6 * Math.abs(here)) / h
          expect(expected).toBeGreaterThan(Math.min(...slopes) - room)
          expect(expected).toBeLessThan(Math.max(...slopes) + room)
          if (!losses) return
          const values = numbers(losses)
          expect(values.length).toBe(4)
          expect(values.reduce((a, b) => a + b, 0) / 4).toBeCloseTo(here, 3)
        }),
        { numRuns: 3, seed: 7 },
      )
    })

    test(`${name}: targets that do not fit are refused by name`, () => {
      const { p, targets, loss = nn.losses[name]() } = forms[name]
      if (name === 'latentKl') return
      const g = new Emitter(table, new GraphBuilder(name))
      const predictions = g.builder.input('p', { dtype: 'float32', shape: p })
      const wrong = g.builder.input('t', { dtype: typeof targets === 'number' ? 'int32' : 'float32', shape: [5, 9, 7] })
      expect(() => loss.apply(g, predictions, wrong)).toThrow(`${name}: predictions [${p.join(', ')}] need targets [4`)
    })
  }
})

test('predictions of another form are refused by name', () => {
  const g = new Emitter(table, new GraphBuilder('wrong'))
  const input = (shape: StaticShape) => g.builder.input('x', { dtype: 'float32', shape })
  const refused: [nn.LossName, StaticShape, string][] = [
    ['ctc', [4, 9], 'ctc needs predictions [batch, time, classes], received [4, 9]'],
    ['gaussianNll', [4, 3], 'gaussianNll needs predictions [batch, ..., 2], received [4, 3]'],
    ['logisticMixture', [4, 5], 'logisticMixture needs predictions [batch, ..., 3 components], received [4, 5]'],
    ['infoNce', [4, 3, 5], 'infoNce needs predictions [batch, 2, features], received [4, 3, 5]'],
    ['latentKl', [4, 5], 'latentKl needs predictions [batch, 2 features], received [4, 5]'],
    ['triplet', [4], 'triplet needs predictions [batch, features], received [4]'],
  ]
  for (const [name, shape, message] of refused) {
    expect(() => nn.losses[name]().apply(g, input(shape), input([4, 2]))).toThrow(message)
  }
})

test('options out of range, unknown losses and weights that do not fit are refused', () => {
  expect(() => nn.lossFrom('hinges' as nn.LossName)).toThrow("unknown loss 'hinges'. Did you mean 'hinge'?")
  expect(() => nn.quantile({ quantiles: 1 })).toThrow('quantile: quantiles must be above 0 and below 1, received 1')
  expect(() => nn.infoNce({ temperature: 0 })).toThrow('infoNce: temperature must be above 0, received 0')
  expect(() => nn.dice({ classWeights: [1] })).toThrow('dice: classWeights need perClass: true')
  expect(() => nn.combinedLoss([])).toThrow('combinedLoss needs at least one loss')
  expect(() => nn.triplet({ mining: 'easy' as 'hard' })).toThrow(
    "triplet: mining must be 'hard' or 'semiHard', received 'easy'",
  )
  expect(() => nn.categoricalCrossentropy({ classWeights: [1, -1] })).toThrow('at least 0, one a class, received -1')
  const g = new Emitter(table, new GraphBuilder('weights'))
  const input = (shape: StaticShape) => g.builder.input('x', { dtype: 'float32', shape })
  const weighted = nn.categoricalCrossentropy({ classWeights: [1, 2] })
  expect(() => weighted.apply(g, input([4, 3]), input([4, 3]))).toThrow(
    'classWeights has 2 numbers, the predictions have 3',
  )
  expect(() => nn.ctc({ blank: 9 }).apply(g, input([4, 6, 4]), input([4, 3]))).toThrow(
    'blank must be a class from 0 to 3',
  )
  expect(() => nn.weighted(nn.meanSquaredError()).apply(g, input([4, 3]), input([4]))).toThrow(
    'weighted meanSquaredError needs targets [batch, 1 + numbers of the target], received [4]',
  )
  const values = { predictions: input([4, 3]), targets: input([4, 3]), weights: input([3]) }
  expect(() => nn.weightedMean(g, nn.meanSquaredError(), values)).toThrow('sample weights must be [4], received [3]')
})

test('an alignment that cannot be is Infinity, or 0 when asked for; a batch of ignored positions has the loss 0', async () => {
  const p = float32([1, 2, 3], [1, 2, 3, 4, 5, 6])
  const t = tensor('int32', [1, 2], Int32Array.of(1, 1))
  const value = async (loss: nn.Loss, predictions: Tensor, targets: Tensor) => {
    const g = new Emitter(table, new GraphBuilder('value'))
    const [x, y] = [g.builder.input('p', predictions), g.builder.input('t', targets)]
    return numbers((await runGraph(g, [loss.apply(g, x, y)], { p: predictions, t: targets }))[0]!)
  }
  expect(await value(nn.ctc(), p, t)).toEqual([Infinity])
  expect(await value(nn.ctc({ zeroInfinity: true }), p, t)).toEqual([0])
  expect(await value(nn.sparseCategoricalCrossentropy({ ignoreIndex: 1 }), p, t)).toEqual([-0])
})

test('tripletLosses: the margin is added to the difference of the distances', async () => {
  const g = new Emitter(table, new GraphBuilder('triplet'))
  const [anchor, positive, negative] = [
    [0, 0],
    [0, 3],
    [2, 0],
  ].map((at) => g.constant(float32([1, 2], at)))
  const losses = [undefined, 0.5].map((margin) => tripletLosses(g, anchor!, positive!, negative!, margin))
  const found = await runGraph(g, losses, {})
  expect(found.flatMap(({ data }) => [...(data as Float32Array)])).toEqual([2, 1.5])
})

describe('scores are told from probabilities', () => {
  const [x, w, b] = [
    float32([2, 2], Float32Array.of(1, -2, 0.5, 3)),
    float32([2, 3], Float32Array.of(2, -1, 0.3, -4, 1, 2)),
    float32([3], Float32Array.of(1, 0, -1)),
  ]
  const ends: Readonly<Record<string, (g: Emitter, p: Value) => Value>> = {
    'a product and a bias': (g, p) => g.add(p, g.constant(b)),
    'a product, reshaped': (g, p) => g.reshape(p, [2, 3]),
    'its softmax': (g, p) => g.softmax(p),
    'a mixture of distributions': (g, p) => g.matMul(g.softmax(p), g.softmax(g.matMul(g.transpose(p, [1, 0]), p))),
  }
  const of = async (end: string, fromLogits: boolean | undefined, target: Tensor, loss: 'sparse' | 'binary') => {
    const g = new Emitter(table, new GraphBuilder(end))
    const parameter = g.builder.parameter('kernel', w)
    const [input, t] = [g.builder.input('x', x), g.builder.input('t', target)]
    const predictions = ends[end]!(g, g.matMul(input, parameter))
    const options = fromLogits === undefined ? {} : { fromLogits }
    const made = loss === 'sparse' ? nn.sparseCategoricalCrossentropy(options) : nn.binaryCrossentropy(options)
    const [value] = await runGraph(g, [made.apply(g, predictions, t)], { x, t: target, kernel: w })
    return numbers(value!)[0]!
  }
  const classes = tensor('int32', [2], Int32Array.of(0, 2))
  const bits = float32([2, 3], Float32Array.of(1, 0, 0, 0, 1, 1))

  test.each([
    ['a product and a bias', true],
    ['a product, reshaped', true],
    ['a mixture of distributions', false],
  ])('%s', async (end, scores) => {
    expect(await of(end, undefined, classes, 'sparse')).toBe(await of(end, scores, classes, 'sparse'))
    expect(await of(end, undefined, classes, 'sparse')).not.toBe(await of(end, !scores, classes, 'sparse'))
  })

  test('also for a sigmoid; what is said holds', async () => {
    const end = 'a product and a bias'
    expect(await of(end, undefined, bits, 'binary')).toBe(await of(end, true, bits, 'binary'))
    expect(await of(end, undefined, bits, 'binary')).not.toBe(await of(end, false, bits, 'binary'))
    expect(await of('its softmax', undefined, classes, 'sparse')).toBeCloseTo(
      await of('its softmax', false, classes, 'sparse'),
      5,
    )
  })
})
