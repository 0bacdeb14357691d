/** Tables: any number of labels for each row, each with a probability of its own. The target is a column of sets. */
import { columnOf, exampleName } from '../data/dataset.ts'
import { type ClassificationReport, reportClassification } from '../evaluate/classification.ts'
import { binaryCrossentropy, type Layer, layer } from '../nn/index.ts'
import { classificationScorer, type Scorer } from '../train/scores.ts'
import { refuseImbalance } from './class-loss.ts'
import { linearTraining, plainTraining } from './tabular-classification.ts'
import { type TabularConfig, tableAtFold, tabularSchema } from './tabular-config.ts'
import { checkTable, loadTable } from './tabular-data.ts'
import { type TableLayers, tableLayers } from './tabular-models.ts'
import { tableInputs, tableModel } from './tabular-network.ts'
import { tabularStarter } from './tabular-starter.ts'
import type { Baseline, SplitAnswers, Task, TaskData, TaskNetwork } from './task.ts'

type Config = TabularConfig

/** Scores between 0 and 1, whatever the others are. */
function each(body: Layer): Layer {
  return layer({
    kind: 'eachLabel',
    config: { layers: { kind: body.kind, ...body.config } },
    apply: (c, [x]) => c.g.sigmoid(c.inner('network', body, [x!])),
  })
}

function networkOf(config: Config, data: TaskData, { body, form }: TableLayers): TaskNetwork {
  const inputs = tableInputs(data)
  const { preprocessing, labels } = data
  const columns = preprocessing.kind === 'table' ? preprocessing.columns : []
  return {
    model: tableModel(columns, inputs, { body: each(body), form }, config.encoders),
    loss: binaryCrossentropy({ labelSmoothing: config.train.labelSmoothing }),
    inputs,
    target: { name: 'target', dtype: 'float32', shape: [labels.length] },
    output: 'probabilities',
    answer: {
      shape: [labels.length],
      what: 'one number for each label',
      hint: `End it with dense({ units: ${labels.length} }), without a softmax: labels do not exclude each other.`,
    },
  }
}

/** The same answer for every row: how often each label occurs in training. */
function constantLabels({ splits, labels }: TaskData): Layer {
  const { data } = columnOf(splits.train, 'target')
  const count = splits.train.length
  const elements = Float32Array.from(labels, (_, i) => {
    const sum = splits.train.rows.reduce((all, row) => all + (data as Float32Array)[row * labels.length + i]!, 0)
    const share = Math.min(Math.max(sum / count, 1e-3), 1 - 1e-3)
    return Math.log(share / (1 - share))
  })
  return layer({
    kind: 'constant',
    config: {},
    apply: (c, [x]) => {
      const bias = c.parameter('bias', { shape: [elements.length], initializer: { name: 'given', elements } })
      return c.g.add(c.g.mul(c.g.sum(x!, [1], true), 0), bias)
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
      name: 'share of each label',
      network: networkOf(config, data, { body: constantLabels(data), form: 'linear' }),
      train: { ...plainTraining, epochs: 1, optimizer: { name: 'sgd', learningRate: 1e-12 } },
    },
  ]
}

/** Each label of each row is a question of yes or no. */
function scorer(metrics: Config['metrics']): Scorer {
  const inner = classificationScorer(metrics)
  return {
    ...inner,
    add(predictions, { data }) {
      const count = predictions.data.length
      const targets = { dtype: 'int32' as const, shape: [count], data: Int32Array.from(data as Float32Array) }
      inner.add({ ...predictions, shape: [count, 1] }, targets)
    },
  }
}

/** The report of all questions together, with a slice for each label. */
function report({ outputs, dataset, labels }: SplitAnswers): ClassificationReport {
  const { data } = columnOf(dataset, 'target')
  const size = labels.length
  const asked = Array.from({ length: dataset.length * size }, (_, i) => ({ at: Math.floor(i / size), label: i % size }))
  return reportClassification({
    probabilities: Float32Array.from({ length: 2 * outputs.length }, (_, i) =>
      i % 2 === 1 ? outputs[i >> 1]! : 1 - outputs[i >> 1]!,
    ),
    labels: Int32Array.from(asked, ({ at, label }) => (data as Float32Array)[dataset.rows[at]! * size + label]!),
    classes: ['absent', 'present'],
    ids: asked.map(({ at, label }) => `${exampleName(dataset, at)}: ${labels[label]}`),
    slices: { label: asked.map(({ label }) => labels[label]!) },
  })
}

export const tabularMultilabel: Task<Config> = {
  name: 'tabular-multilabel',
  summary: 'any number of labels for each row of a table: the target is a column of sets',
  schema: tabularSchema('tabular-multilabel', ['areaUnderRoc', 'f1']),
  load: (config, options) => loadTable(config, 'set', options),
  network(config, data) {
    refuseImbalance(config.train)
    return networkOf(config, data, tableLayers(config.model, data.labels.length))
  },
  atFold: tableAtFold,
  augment: () => undefined,
  scorer: ({ metrics }) => scorer(metrics),
  report,
  checkPreprocessing: checkTable,
  baselines,
  starter: (options) => tabularStarter('tabular-multilabel', options),
}
