/** Prices of houses, as logarithms: many columns of names, few rows. */
import { readFileSync } from 'node:fs'
import { foldOptions } from './fold-options.ts'
import type { BenchRecord } from './record.ts'

/** Columns of the file that hold numbers of more than 20 values, but for the last. */
function manyNumbers(path: string): string[] {
  const [head = '', ...lines] = readFileSync(path, 'utf8').trim().split('\n')
  const rows = lines.map((line) => line.split(','))
  return head
    .split(',')
    .slice(0, -1)
    .filter((_, i) => {
      const cells = new Set(rows.map((row) => row[i]!))
      return cells.size > 20 && [...cells].every((cell) => Number.isFinite(Number(cell)))
    })
}

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
    const numbers = manyNumbers(`${context.folder}/houses.csv`)
    return crossValidate(context, {
      task: 'tabular-regression',
      file: 'houses.csv',
      metric: 'rootMeanSquaredError',
      candidates: {
        mlp: { model: { name: 'mlp', hidden: [128, 64], dropout: 0.2, inputDropout: 0.1 }, train },
        // What is far out counts no more than the last bin: a house of twice the area is not twice as dear.
        'mlp, piecewise linear': {
          model: { name: 'mlp', hidden: [128, 64], dropout: 0.2, inputDropout: 0.1, wide: false },
          train,
          columns: Object.fromEntries(numbers.map((name) => [name, { feature: 'piecewise', options: { bins: 8 } }])),
        },
      },
    })
  },
}
