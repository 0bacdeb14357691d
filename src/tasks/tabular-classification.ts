/** Tables: one of several classes for each row; of several targets a class or a number each. */
import { answersOf } from '../contract/manifest.ts'
import { countClasses } from '../data/dataset.ts'
import { sequential } from '../nn/index.ts'
import { classificationScorer } from '../train/scores.ts'
import { classesOf, classLoss } from './class-loss.ts'
import { classAnswer, probabilities } from './probabilities.ts'
import { reportClasses } from './report-classes.ts'
import { classShares, tableBaselines } from './tabular-baselines.ts'
import { classForms, type TabularConfig, tableAtFold, tabularSchema } from './tabular-config.ts'
import { checkTable, loadTable } from './tabular-data.ts'
import { type TableLayers, tableLayers } from './tabular-models.ts'
import { tableInputs, tableModel } from './tabular-network.ts'
import { reportTargets, severalBaselines, severalNetwork, targetScorer } from './tabular-several.ts'
import { tabularStarter } from './tabular-starter.ts'
import type { Baseline, Task, TaskData, TaskNetwork } from './task.ts'

type Config = TabularConfig

function networkOf(config: Config, data: TaskData, { body, form }: TableLayers): TaskNetwork {
  const inputs = tableInputs(data)
  const { preprocessing, labels } = data
  const columns = preprocessing.kind === 'table' ? preprocessing.columns : []
  return {
    model: tableModel(columns, inputs, { body: sequential([body, probabilities]), form }, config.encoders),
    inputs,
    target: { name: 'label', dtype: 'int32', shape: [] },
    outputs: [
      { name: 'probabilities', loss: classLoss(config.train, classesOf(data.splits.train)), ...classAnswer(labels) },
    ],
  }
}

const baselines = (config: Config, data: TaskData): Baseline[] =>
  tableBaselines(config, data, {
    units: data.labels.length,
    networkOf: (layers) => networkOf(config, data, layers),
    constant: { name: 'commonest class', values: classShares(countClasses(data.splits.train)) },
  })

const hasSeveral = ({ data }: Config): boolean => typeof classForms(data) !== 'string'

export const tabularClassification: Task<Config> = {
  name: 'tabular-classification',
  summary: 'one label for each row of a table, or one for each of several targets, from CSV, JSON lines or Parquet',
  schema: tabularSchema('tabular-classification', ['accuracy', 'areaUnderRoc']),
  load: (config, options) => loadTable(config, classForms(config.data), options),
  network: (config, data) =>
    hasSeveral(config)
      ? severalNetwork(config, data)
      : networkOf(config, data, tableLayers(config.model, data.labels.length)),
  atFold: tableAtFold,
  augment: () => undefined,
  scorer: (config) => (hasSeveral(config) ? targetScorer(config) : classificationScorer(config.metrics)),
  report: (answers) => (answersOf(answers) ? reportTargets(answers) : reportClasses(answers)),
  checkPreprocessing: checkTable,
  baselines: (config, data) => (hasSeveral(config) ? severalBaselines(config, data) : baselines(config, data)),
  starter: (options) => tabularStarter('tabular-classification', options),
}
