/** Tables: one of several classes for each row. */
import { countClasses } from '../data/dataset.ts'
import { type Layer, layer, sequential } from '../nn/index.ts'
import { classificationScorer } from '../train/scores.ts'
import { classLoss } from './class-loss.ts'
import { classAnswer, probabilities } from './probabilities.ts'
import { reportClasses } from './report-classes.ts'
import { type TabularConfig, tableAtFold, tabularSchema } from './tabular-config.ts'
import { checkTable, loadTable } from './tabular-data.ts'
import { type TableLayers, tableLayers } from './tabular-models.ts'
import { tableInputs, tableModel } from './tabular-network.ts'
import { tabularStarter } from './tabular-starter.ts'
import type { Baseline, Task, TaskData, TaskNetwork } from './task.ts'

type Config = TabularConfig

function networkOf(config: Config, data: TaskData, { body, form }: TableLayers): TaskNetwork {
  const inputs = tableInputs(data)
  const { preprocessing, labels } = data
  const columns = preprocessing.kind === 'table' ? preprocessing.columns : []
  return {
    model: tableModel(columns, inputs, { body: sequential([body, probabilities]), form }, config.encoders),
    loss: classLoss(config.train, data.splits.train),
    inputs,
    target: { name: 'label', dtype: 'int32', shape: [] },
    output: 'probabilities',
    answer: classAnswer(labels),
  }
}

/** The same answer for every row: how often each class occurs in training. */
function constantClasses(data: TaskData): Layer {
  const counts = countClasses(data.splits.train)
  const total = counts.reduce((sum, count) => sum + count, 0)
  // Logarithms, so that the softmax behind gives the shares; a class that training lacks gets next to none.
  const elements = Float32Array.from(counts, (count) => Math.log(Math.max(count, 1e-3) / total))
  return layer({
    kind: 'constant',
    config: {},
    apply: (c, [x]) => {
      const bias = c.parameter('bias', { shape: [elements.length], initializer: { name: 'given', elements } })
      const none = c.g.mul(c.g.op('ReduceSum', [x!, c.g.integers([1])], { keepdims: 1 }), 0)
      return c.g.add(none, bias)
    },
  })
}

function baselines(config: Config, data: TaskData): Baseline[] {
  if (!config.baselines) return []
  const linear = tableLayers('linear', data.labels.length)
  return [
    ...(config.model === 'linear'
      ? []
      : [
          {
            name: 'linear',
            network: networkOf(config, data, linear),
            train: linearTraining(config, data.splits.train.length),
          },
        ]),
    {
      name: 'commonest class',
      network: networkOf(config, data, { body: constantClasses(data), form: 'linear' }),
      train: { ...plainTraining, epochs: 1, optimizer: { name: 'sgd', learningRate: 1e-12 } },
    },
  ]
}

/** Settings of the network's own that a baseline does without. */
export const plainTraining: Baseline['train'] = {
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
export function linearTraining({ train }: Config, rows: number): Baseline['train'] {
  const least = Math.min(60, Math.ceil(settled / Math.ceil(rows / train.batchSize)))
  return {
    ...plainTraining,
    epochs: Math.max(train.epochs, least),
    optimizer: { name: 'adam', learningRate: 0.01 },
    l2: 2e-3,
  }
}

export const tabularClassification: Task<Config> = {
  name: 'tabular-classification',
  summary: 'one label for each row of a table, from CSV, JSON lines or Parquet',
  schema: tabularSchema('tabular-classification', ['accuracy', 'areaUnderRoc']),
  load: (config, options) => loadTable(config, 'class', options),
  network(config, data) {
    return networkOf(config, data, tableLayers(config.model, data.labels.length))
  },
  atFold: tableAtFold,
  augment: () => undefined,
  scorer: ({ metrics }) => classificationScorer(metrics),
  report: reportClasses,
  checkPreprocessing: checkTable,
  baselines,
  starter: (options) => tabularStarter('tabular-classification', options),
}
