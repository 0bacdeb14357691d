/** Tables: a number for each row. */
import { columnOf, type Dataset, exampleName } from '../data/dataset.ts'
import { reportRegression } from '../evaluate/regression.ts'
import { type Layer, type Loss, layer, meanSquaredError } from '../nn/index.ts'
import { regressionScorer } from '../train/scores.ts'
import { refuseImbalance } from './class-loss.ts'
import { linearTraining, plainTraining } from './tabular-classification.ts'
import { type TabularConfig, tableAtFold, tabularSchema } from './tabular-config.ts'
import { checkTable, loadTable } from './tabular-data.ts'
import { type TableLayers, tableLayers } from './tabular-models.ts'
import { tableInputs, tableModel } from './tabular-network.ts'
import { tabularStarter } from './tabular-starter.ts'
import type { Baseline, SplitAnswers, Task, TaskData, TaskNetwork } from './task.ts'

type Config = TabularConfig

interface Scale {
  readonly mean: number
  readonly deviation: number
}

/** Mean and spread of the targets of training rows. */
function scaleOf(train: Dataset): Scale {
  const { data } = columnOf(train, 'target')
  const values = Array.from(train.rows, (row) => (data as Float32Array)[row]!)
  const mean = values.reduce((sum, y) => sum + y / values.length, 0)
  const variance = values.reduce((sum, y) => sum + (y - mean) ** 2 / values.length, 0)
  return { mean, deviation: Math.sqrt(variance) || 1 }
}

/** Layers that answer in deviations from the mean, as a model that answers in the target's own unit. */
function inUnits(body: Layer, { mean, deviation }: Scale): Layer {
  return layer({
    kind: 'estimate',
    config: { mean, deviation, layers: { kind: body.kind, ...body.config } },
    apply: (c, [x]) => c.g.add(c.g.mul(c.inner('network', body, [x!]), deviation), mean),
  })
}

/** The loss of both sides in deviations, so that its size does not depend on the target's unit. */
function scaledLoss(loss: Loss, { mean, deviation }: Scale): Loss {
  return {
    name: loss.name,
    config: { ...loss.config, mean, deviation },
    apply: (g, predictions, targets) =>
      loss.apply(g, g.mul(g.sub(predictions, mean), 1 / deviation), g.mul(g.sub(targets, mean), 1 / deviation)),
  }
}

function networkOf(config: Config, data: TaskData, { body, form }: TableLayers): TaskNetwork {
  const inputs = tableInputs(data)
  const scale = scaleOf(data.splits.train)
  const { preprocessing } = data
  const columns = preprocessing.kind === 'table' ? preprocessing.columns : []
  return {
    model: tableModel(columns, inputs, { body: inUnits(body, scale), form }, config.encoders),
    loss: scaledLoss(meanSquaredError(), scale),
    inputs,
    target: { name: 'target', dtype: 'float32', shape: [1] },
    output: 'estimate',
    answer: { shape: [1], what: 'one number', hint: 'End it with dense({ units: 1 }).' },
  }
}

/** 0 for every row, which is the mean in the target's unit. */
const zero = layer({
  kind: 'constant',
  config: {},
  apply: (c, [x]) => {
    const bias = c.parameter('bias', { shape: [1], initializer: 'zeros' })
    return c.g.add(c.g.mul(c.g.op('ReduceSum', [x!, c.g.integers([1])], { keepdims: 1 }), 0), bias)
  },
})

function baselines(config: Config, data: TaskData): Baseline[] {
  if (!config.baselines) return []
  const linear = tableLayers('linear', 1)
  return [
    ...(config.model === 'linear'
      ? []
      : [{ name: 'linear', network: networkOf(config, data, linear), train: linearTraining(config) }]),
    {
      name: 'mean',
      network: networkOf(config, data, { body: zero, form: 'linear' }),
      train: { ...plainTraining, epochs: 1, optimizer: { name: 'sgd', learningRate: 1e-12 } },
    },
  ]
}

function report({ outputs, dataset }: SplitAnswers) {
  const { data } = columnOf(dataset, 'target')
  const targets = Float32Array.from(dataset.rows, (row) => (data as Float32Array)[row]!)
  const ids = Array.from({ length: dataset.length }, (_, i) => exampleName(dataset, i))
  return reportRegression({ predictions: outputs, targets, ids })
}

export const tabularRegression: Task<Config> = {
  name: 'tabular-regression',
  summary: 'a number for each row of a table, from CSV, JSON lines or Parquet',
  schema: tabularSchema('tabular-regression', ['meanAbsoluteError', 'r2']),
  load: (config, options) => loadTable(config, 'number', options),
  network(config, data) {
    refuseImbalance(config.train)
    return networkOf(config, data, tableLayers(config.model, 1))
  },
  atFold: tableAtFold,
  augment: () => undefined,
  scorer: ({ metrics }) => regressionScorer(metrics),
  report,
  checkPreprocessing: checkTable,
  baselines,
  starter: (options) => tabularStarter('tabular-regression', options),
}
