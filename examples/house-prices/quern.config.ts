import { defineProject } from 'quern'

export default defineProject({
  task: 'tabular-regression',
  name: 'house-prices',
  data: {
    source: './houses.csv', // written by write-table.ts
    target: 'log_price',
    split: { validation: 0.1, test: 0.2 },
  },
  model: { name: 'resnet', width: 64, hidden: 128, hiddenDropout: 0.3, inputDropout: 0.1 },
  train: { epochs: 60, batchSize: 64, optimizer: { name: 'adamw', learningRate: 0.003, weightDecay: 0.05 } },
  metrics: ['rootMeanSquaredError', 'r2'],
})
