/** The whole way of a table, five times: each fold is once the test of a model that never saw it. */
import type { BenchRecord } from './record.ts'

export const breastCancer: BenchRecord = {
  name: 'breast-cancer',
  title: 'Wisconsin breast cancer (569 rows, 30 numbers), 5 folds: mean area under the ROC curve of a small MLP',
  takes: '1 minute',
  needs: [],
  builds: false,
  options: {
    folds: { default: 5, summary: 'parts of the data' },
    repeats: { default: 1, summary: 'times that the parts are drawn anew' },
    epochs: { default: 60, summary: 'passes over the training rows' },
  },
  async run(context) {
    const { crossValidate } = await import('./cross-validate.ts')
    const { writeTable } = await import('../examples/breast-cancer/write-table.ts')
    await writeTable(`${context.folder}/breast-cancer.csv`)
    return crossValidate(context, {
      task: 'tabular-classification',
      metric: 'areaUnderRoc',
      floor: 0.995,
      validation: 0,
      config: {
        data: { source: 'breast-cancer.csv', target: 'diagnosis' },
        model: { name: 'mlp', hidden: [32], dropout: 0.5 },
        train: {
          epochs: context.number('epochs'),
          batchSize: 32,
          optimizer: { name: 'adam', learningRate: 0.005 },
          l2: 0.002,
        },
      },
    })
  },
}
