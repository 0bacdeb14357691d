/** Numbers that are answered: the network works in deviations from their mean, its answers and its data are in their own unit. */
import { float32 } from '../core/tensor.ts'
import { columnOf, type Dataset } from '../data/dataset.ts'
import type { Value } from '../graph/graph.ts'
import { type Layer, type Loss, layer } from '../nn/index.ts'
import type { Emitter } from '../ops/emitter.ts'

/** Of each number of the target. */
export interface Scale {
  readonly mean: readonly number[]
  readonly deviation: readonly number[]
}

/** Mean and spread of the targets of training rows; of these columns of the target alone, where some are given. */
export function scaleOf(train: Dataset, columns?: readonly number[]): Scale {
  const { data, shape } = columnOf(train, 'target')
  const size = shape[1]!
  const scales = (columns ?? Array.from({ length: size }, (_, i) => i)).map((i) => {
    const values = Array.from(train.rows, (row) => (data as Float32Array)[row * size + i]!)
    const mean = values.reduce((sum, y) => sum + y / values.length, 0)
    const variance = values.reduce((sum, y) => sum + (y - mean) ** 2 / values.length, 0)
    return { mean, deviation: Math.sqrt(variance) || 1 }
  })
  return { mean: scales.map(({ mean }) => mean), deviation: scales.map(({ deviation }) => deviation) }
}

/** A number for each output, as a constant that every example shares. */
const row = (g: Emitter, values: readonly number[]): Value =>
  values.length === 1 ? g.scalar(values[0]!) : g.constant(float32([values.length], Float32Array.from(values)))

/** Layers that answer in deviations from the mean, as a model that answers in the target's own unit. */
export function inUnits(body: Layer, { mean, deviation }: Scale): Layer {
  return layer({
    kind: 'estimate',
    config: { mean, deviation, layers: { kind: body.kind, ...body.config } },
    apply: (c, [x]) => c.g.add(c.g.mul(c.inner('network', body, [x!]), row(c.g, deviation)), row(c.g, mean)),
  })
}

/** The loss of both sides in deviations, so that its size does not depend on the target's unit. */
export function scaledLoss(loss: Loss, { mean, deviation }: Scale): Loss {
  return {
    name: loss.name,
    config: { ...loss.config, mean, deviation },
    apply: (g, predictions, targets) => {
      const inverse = deviation.map((value) => 1 / value)
      const scaled = (x: Value): Value => g.mul(g.sub(x, row(g, mean)), row(g, inverse))
      return loss.apply(g, scaled(predictions), scaled(targets))
    },
  }
}
