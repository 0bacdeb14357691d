/** Customers who leave: numbers and names, one in seven leaves; what decides is where several columns come together. */
import { foldOptions } from './fold-options.ts'
import type { BenchRecord } from './record.ts'

export const churn: BenchRecord = {
  name: 'churn',
  title:
    "Customers of a telephone company (5000 rows, 19 columns), 5 folds: mean area under the ROC, beside scikit-learn's gradient boosting",
  takes: '2 minutes',
  needs: [],
  builds: false,
  options: foldOptions,
  async run(context) {
    const { crossValidate } = await import('./cross-validate.ts')
    const { writeTable } = await import('../examples/churn/write-table.ts')
    await writeTable(`${context.folder}/customers.csv`)
    const train = { epochs: 40, batchSize: 64, optimizer: { name: 'adamw', learningRate: 0.003, weightDecay: 0.02 } }
    // A column of 51 states says next to nothing, and a vector for each is much to learn by heart.
    const columns = { state: 'ignore' }
    return crossValidate(context, {
      task: 'tabular-classification',
      file: 'customers.csv',
      metric: 'areaUnderRoc',
      candidates: {
        mlp: { model: { name: 'mlp', hidden: [64, 32], dropout: 0.3 }, train, columns },
        resnet: { model: { name: 'resnet', width: 64, hidden: 128, hiddenDropout: 0.3 }, train, columns },
      },
    })
  },
}
