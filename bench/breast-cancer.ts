/** The whole way of a table, in folds: each row is once in the test of a model that never saw it, and its settings are chosen without it. */
import { foldOptions } from './fold-options.ts'
import type { BenchRecord } from './record.ts'

export const breastCancer: BenchRecord = {
  name: 'breast-cancer',
  title: 'Wisconsin breast cancer (569 rows, 30 numbers), 5 folds: mean area under the ROC curve of a network',
  takes: '2 minutes',
  needs: [],
  builds: false,
  options: foldOptions,
  async run(context) {
    const { crossValidate } = await import('./cross-validate.ts')
    const { writeTable } = await import('../examples/breast-cancer/write-table.ts')
    await writeTable(`${context.folder}/breast-cancer.csv`)
    const train = { epochs: 60, batchSize: 32 }
    return crossValidate(context, {
      task: 'tabular-classification',
      file: 'breast-cancer.csv',
      metric: 'areaUnderRoc',
      floor: 0.995,
      candidates: {
        mlp: {
          model: { name: 'mlp', hidden: [256], dropout: 0.5, inputDropout: 0.4 },
          train: { ...train, optimizer: { name: 'adam', learningRate: 0.005 }, l2: 0.002, ema: { decay: 0.995 } },
        },
        resnet: {
          model: {
            name: 'resnet',
            width: 64,
            hidden: 128,
            hiddenDropout: 0.5,
            residualDropout: 0.2,
            inputDropout: 0.2,
          },
          train: { ...train, optimizer: { name: 'adamw', learningRate: 0.002, weightDecay: 0.1 } },
        },
      },
    })
  },
}
