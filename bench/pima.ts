/** Diabetes among the Pima: few rows, much noise, many gaps; settings are chosen inside of the training rows. */
import { foldOptions } from './fold-options.ts'
import type { BenchRecord } from './record.ts'

export const pima: BenchRecord = {
  name: 'pima',
  title:
    "Pima's diabetes (768 rows, 8 numbers with gaps), 5 folds: mean area under the ROC, at least scikit-learn's logistic regression",
  takes: '1 minute',
  needs: [],
  builds: false,
  options: foldOptions,
  async run(context) {
    const { crossValidate } = await import('./cross-validate.ts')
    const { writeTable } = await import('../examples/pima/write-table.ts')
    await writeTable(`${context.folder}/diabetes.csv`)
    const train = { epochs: 40, batchSize: 32, optimizer: { name: 'adam', learningRate: 0.003 }, l2: 0.005 }
    const names = ['pregnant', 'glucose', 'pressure', 'triceps', 'insulin', 'mass', 'pedigree', 'age']
    const piecewise = Object.fromEntries(names.map((name) => [name, { feature: 'piecewise', options: { bins: 6 } }]))
    return crossValidate(context, {
      task: 'tabular-classification',
      file: 'diabetes.csv',
      metric: 'areaUnderRoc',
      against: 'logistic regression',
      candidates: {
        'wide, input dropout': { model: { name: 'mlp', hidden: [64], dropout: 0.5, inputDropout: 0.2 }, train },
        'wide, piecewise linear': {
          model: { name: 'mlp', hidden: [32], dropout: 0.5, inputDropout: 0.2 },
          train: { ...train, l2: 0.01 },
          columns: piecewise,
        },
        'two layers': { model: { name: 'mlp', hidden: [32, 16], dropout: 0.3, inputDropout: 0.1, wide: false }, train },
      },
    })
  },
}
