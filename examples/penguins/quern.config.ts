import { defineProject } from 'quern'

export default defineProject({
  task: 'tabular-classification',
  name: 'penguins',
  data: {
    source: './penguins.csv', // written by write-table.ts
    // Three answers for each row from one network: two of classes, one a number.
    target: { species: 'class', sex: 'class', mass: 'number' },
    onMissingTarget: 'skip', // eleven penguins lack one of the three
    split: { validation: 0.15, test: 0.25 },
  },
  model: { name: 'mlp', hidden: [64, 32], dropout: 0.1 },
  train: { epochs: 80, batchSize: 16, optimizer: { name: 'adamw', learningRate: 0.003, weightDecay: 0.01 } },
  metrics: ['accuracy', 'areaUnderRoc', 'meanAbsoluteError', 'r2'],
})
