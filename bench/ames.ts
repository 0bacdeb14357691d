/** Prices of houses, as logarithms: many columns of names, few rows. */
import { foldOptions } from './fold-options.ts'
import type { BenchRecord } from './record.ts'

export const ames: BenchRecord = {
  name: 'ames',
  title:
    "Houses of Ames (2930 rows, 73 columns), 5 folds: mean RMSE of the log price, beside scikit-learn's gradient boosting",
  takes: '3 minutes',
  needs: [],
  builds: false,
  options: foldOptions,
  async run(context) {
    const { crossValidate } = await import('./cross-validate.ts')
    const { writeTable } = await import('../examples/house-prices/write-table.ts')
    await writeTable(`${context.folder}/houses.csv`)
    const train = { epochs: 60, batchSize: 64, optimizer: { name: 'adamw', learningRate: 0.003, weightDecay: 0.05 } }
    return crossValidate(context, {
      task: 'tabular-regression',
      file: 'houses.csv',
      metric: 'rootMeanSquaredError',
      candidates: {
        mlp: { model: { name: 'mlp', hidden: [128, 64], dropout: 0.2, inputDropout: 0.1 }, train },
        resnet: { model: { name: 'resnet', width: 64, hidden: 128, hiddenDropout: 0.3, inputDropout: 0.1 }, train },
      },
    })
  },
}
