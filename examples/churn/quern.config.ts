import { defineProject } from 'quern'

export default defineProject({
  task: 'tabular-classification',
  name: 'churn',
  data: {
    source: './customers.csv', // written by write-table.ts
    target: 'churn',
    // 51 states say next to nothing, and a vector for each is much to learn by heart.
    columns: { state: 'ignore' },
    split: { validation: 0.1, test: 0.2 },
  },
  model: { name: 'mlp', hidden: [64, 32], dropout: 0.3 },
  train: { epochs: 40, batchSize: 64, optimizer: { name: 'adamw', learningRate: 0.003, weightDecay: 0.02 } },
  metrics: ['areaUnderRoc', { name: 'sensitivityAtSpecificity', specificity: 0.95 }, 'calibrationError'],
})
