/** Tables: a number for each row, or several of one length. */
import { numberNames } from '../contract/manifest.ts'
import { float32 } from '../core/tensor.ts'
import { columnOf, type Dataset, exampleName } from '../data/dataset.ts'
import { reportRegression } from '../evaluate/regression.ts'
import type { Value } from '../graph/graph.ts'
import { type Layer, type Loss, layer, meanSquaredError } from '../nn/index.ts'
import type { Emitter } from '../ops/emitter.ts'
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

/** Of each number of the target. */
interface Scale {
  readonly mean: readonly number[]
  readonly deviation: readonly number[]
}

/** Numbers of the target. */
const outputsOf = (dataset: Dataset): number => columnOf(dataset, 'target').shape[1]!

/** Mean and spread of the targets of training rows. */
function scaleOf(train: Dataset): Scale {
  const { data, shape } = columnOf(train, 'target')
  const size = shape[1]!
  const scales = Array.from({ length: size }, (_, i) => {
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
function inUnits(body: Layer, { mean, deviation }: Scale): Layer {
  return layer({
    kind: 'estimate',
    config: { mean, deviation, layers: { kind: body.kind, ...body.config } },
    apply: (c, [x]) => c.g.add(c.g.mul(c.inner('network', body, [x!]), row(c.g, deviation)), row(c.g, mean)),
  })
}

/** The loss of both sides in deviations, so that its size does not depend on the target's unit. */
function scaledLoss(loss: Loss, { mean, deviation }: Scale): Loss {
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

function networkOf(config: Config, data: TaskData, { body, form }: TableLayers): TaskNetwork {
  const inputs = tableInputs(data)
  const scale = scaleOf(data.splits.train)
  const size = outputsOf(data.splits.train)
  const { preprocessing } = data
  const columns = preprocessing.kind === 'table' ? preprocessing.columns : []
  return {
    model: tableModel(columns, inputs, { body: inUnits(body, scale), form }, config.encoders),
    loss: scaledLoss(meanSquaredError(), scale),
    inputs,
    target: { name: 'target', dtype: 'float32', shape: [size] },
    output: 'estimate',
    answer: {
      shape: [size],
      what: size === 1 ? 'one number' : `${size} numbers`,
      hint: `End it with dense({ units: ${size} }).`,
    },
  }
}

/** 0 for every row, which is the mean in the target's unit. */
const zero = (size: number): Layer =>
  layer({
    kind: 'constant',
    config: {},
    apply: (c, [x]) => {
      const bias = c.parameter('bias', { shape: [size], initializer: 'zeros' })
      return c.g.add(c.g.mul(c.g.op('ReduceSum', [x!, c.g.integers([1])], { keepdims: 1 }), 0), bias)
    },
  })

function baselines(config: Config, data: TaskData): Baseline[] {
  if (!config.baselines) return []
  const size = outputsOf(data.splits.train)
  const linear = tableLayers('linear', size)
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
      name: 'mean',
      network: networkOf(config, data, { body: zero(size), form: 'linear' }),
      train: { ...plainTraining, epochs: 1, optimizer: { name: 'sgd', learningRate: 1e-12 } },
    },
  ]
}

function report({ outputs, dataset, preprocessing }: SplitAnswers) {
  const { data } = columnOf(dataset, 'target')
  const size = outputsOf(dataset)
  const targets = Float32Array.from(outputs, (_, i) => {
    return (data as Float32Array)[dataset.rows[Math.floor(i / size)]! * size + (i % size)]!
  })
  const ids = Array.from(dataset.rows, (_, i) => exampleName(dataset, i))
  const names = size > 1 && preprocessing.kind === 'table' ? numberNames(preprocessing, size) : undefined
  return reportRegression({ predictions: outputs, targets, ids, names })
}

export const tabularRegression: Task<Config> = {
  name: 'tabular-regression',
  summary: 'a number for each row of a table, from CSV, JSON lines or Parquet',
  schema: tabularSchema('tabular-regression', ['meanAbsoluteError', 'r2']),
  load: (config, options) => loadTable(config, 'number', options),
  network(config, data) {
    refuseImbalance(config.train)
    return networkOf(config, data, tableLayers(config.model, outputsOf(data.splits.train)))
  },
  atFold: tableAtFold,
  augment: () => undefined,
  scorer: ({ metrics }) => regressionScorer(metrics),
  report,
  checkPreprocessing: checkTable,
  baselines,
  starter: (options) => tabularStarter('tabular-regression', options),
}
