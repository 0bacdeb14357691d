/** Tables: a number for each row, or several of one length. */
import { numberNames } from '../contract/manifest.ts'
import { columnOf, type Dataset, exampleName } from '../data/dataset.ts'
import { reportRegression } from '../evaluate/regression.ts'
import { meanSquaredError } from '../nn/index.ts'
import { regressionScorer } from '../train/scores.ts'
import { refuseImbalance } from './class-loss.ts'
import { tableBaselines } from './tabular-baselines.ts'
import { type TabularConfig, tableAtFold, tabularSchema } from './tabular-config.ts'
import { checkTable, loadTable } from './tabular-data.ts'
import { type TableLayers, tableLayers } from './tabular-models.ts'
import { tableInputs, tableModel } from './tabular-network.ts'
import { inUnits, scaledLoss, scaleOf } from './tabular-scale.ts'
import { tabularStarter } from './tabular-starter.ts'
import { type Baseline, onlyOutput, type SplitAnswers, type Task, type TaskData, type TaskNetwork } from './task.ts'

type Config = TabularConfig

/** Numbers of the target. */
const outputsOf = (dataset: Dataset): number => columnOf(dataset, 'target').shape[1]!

function networkOf(config: Config, data: TaskData, { body, form }: TableLayers): TaskNetwork {
  const inputs = tableInputs(data)
  const scale = scaleOf(data.splits.train)
  const size = outputsOf(data.splits.train)
  const { preprocessing } = data
  const columns = preprocessing.kind === 'table' ? preprocessing.columns : []
  return {
    model: tableModel(columns, inputs, { body: inUnits(body, scale), form }, config.encoders),
    inputs,
    target: { name: 'target', dtype: 'float32', shape: [size] },
    outputs: [
      {
        name: 'estimate',
        loss: scaledLoss(meanSquaredError(), scale),
        shape: [size],
        what: size === 1 ? 'one number' : `${size} numbers`,
        hint: `End it with dense({ units: ${size} }).`,
      },
    ],
  }
}

/** In the scale of the target 0 is the mean. */
function baselines(config: Config, data: TaskData): Baseline[] {
  const units = outputsOf(data.splits.train)
  return tableBaselines(config, data, {
    units,
    networkOf: (layers) => networkOf(config, data, layers),
    constant: { name: 'mean', values: new Array<number>(units).fill(0) },
  })
}

function report(answers: SplitAnswers) {
  const { dataset, preprocessing } = answers
  const outputs = onlyOutput(answers)
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
