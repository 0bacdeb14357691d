/** What is trained beside every network on a table: a linear model, and the same answer for every row. */
import { type Layer, layer } from '../nn/index.ts'
import type { TabularConfig } from './tabular-config.ts'
import { type TableLayers, tableLayers } from './tabular-models.ts'
import type { Baseline, TaskData, TaskNetwork } from './task.ts'

export interface BaselineParts {
  /** numbers that the layers end with */
  readonly units: number
  networkOf(layers: TableLayers): TaskNetwork
  /** what its layers end with for every row */
  readonly constant: { readonly name: string; readonly values: readonly number[] }
}

/** None where the configuration asks for none. */
export function tableBaselines(config: TabularConfig, data: TaskData, parts: BaselineParts): Baseline[] {
  if (!config.baselines) return []
  const { units, networkOf, constant } = parts
  const linear = {
    name: 'linear',
    network: networkOf(tableLayers('linear', units)),
    train: linearTraining(config, data.splits.train.length),
  }
  return [
    ...(config.model === 'linear' ? [] : [linear]),
    {
      name: constant.name,
      network: networkOf({ body: same(constant.values), form: 'linear' }),
      train: { ...plainTraining, epochs: 1, optimizer: { name: 'sgd', learningRate: 1e-12 } },
    },
  ]
}

/** Logarithms, so that the softmax behind gives the shares; a class that training lacks gets next to none. */
export function classShares(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, count) => sum + count, 0)
  return counts.map((count) => Math.log(Math.max(count, 1e-3) / total))
}

/** These numbers for every row, whatever stands in it. */
function same(values: readonly number[]): Layer {
  const elements = Float32Array.from(values)
  return layer({
    kind: 'constant',
    config: {},
    apply: (c, [x]) => {
      const bias = c.parameter('bias', { shape: [elements.length], initializer: { name: 'given', elements } })
      return c.g.add(c.g.mul(c.g.sum(x!, [1], true), 0), bias)
    },
  })
}

/** Settings of the network's own that a baseline does without. */
const plainTraining: Baseline['train'] = {
  accumulate: undefined,
  ema: undefined,
  swa: undefined,
  groups: undefined,
  l1: 0,
  l2: 0,
  earlyStopping: false,
  monitor: undefined,
  schedule: 'cosine',
}

/** Updates after which a linear model is where it will be, however many rows there are. */
const settled = 20_000

/**
 * A convex problem: a rate that falls to nothing, and as many epochs as the network has, at least 60 or those of `settled` updates. The penalty is
 * about that of scikit-learn's logistic regression (C = 1) on a few hundred rows; without it the baseline would be weaker than it must be.
 */
function linearTraining({ train }: TabularConfig, rows: number): Baseline['train'] {
  const least = Math.min(60, Math.ceil(settled / Math.ceil(rows / train.batchSize)))
  return {
    ...plainTraining,
    epochs: Math.max(train.epochs, least),
    optimizer: { name: 'adam', learningRate: 0.01 },
    l2: 2e-3,
  }
}
