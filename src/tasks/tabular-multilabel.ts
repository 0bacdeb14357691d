/** Tables: any number of labels for each row, each with a probability of its own. The target is a column of sets. */
import { columnOf, exampleName } from '../data/dataset.ts'
import { type ClassificationReport, reportClassification } from '../evaluate/classification.ts'
import { binaryCrossentropy, type Layer, layer } from '../nn/index.ts'
import { classificationScorer, type Scorer } from '../train/scores.ts'
import { refuseImbalance } from './class-loss.ts'
import { tableBaselines } from './tabular-baselines.ts'
import { type TabularConfig, tableAtFold, tabularSchema } from './tabular-config.ts'
import { checkTable, loadTable } from './tabular-data.ts'
import { type TableLayers, tableLayers } from './tabular-models.ts'
import { tableInputs, tableModel } from './tabular-network.ts'
import { tabularStarter } from './tabular-starter.ts'
import { type Baseline, onlyOutput, type SplitAnswers, type Task, type TaskData, type TaskNetwork } from './task.ts'

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
    inputs,
    target: { name: 'target', dtype: 'float32', shape: [labels.length] },
    outputs: [
      {
        name: 'probabilities',
        loss: binaryCrossentropy({ labelSmoothing: config.train.labelSmoothing }),
        shape: [labels.length],
        what: 'one number for each label',
        hint: `End it with dense({ units: ${labels.length} }), without a softmax: labels do not exclude each other.`,
      },
    ],
  }
}

/** How often each label occurs in training, as what the sigmoid is applied to. */
function labelShares({ splits, labels }: TaskData): number[] {
  const { data } = columnOf(splits.train, 'target')
  const count = splits.train.length
  return labels.map((_, i) => {
    const sum = splits.train.rows.reduce((all, row) => all + (data as Float32Array)[row * labels.length + i]!, 0)
    const share = Math.min(Math.max(sum / count, 1e-3), 1 - 1e-3)
    return Math.log(share / (1 - share))
  })
}

const baselines = (config: Config, data: TaskData): Baseline[] =>
  tableBaselines(config, data, {
    units: data.labels.length,
    networkOf: (layers) => networkOf(config, data, layers),
    constant: { name: 'share of each label', values: labelShares(data) },
  })

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
function report(answers: SplitAnswers): ClassificationReport {
  const { dataset, labels } = answers
  const outputs = onlyOutput(answers)
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
