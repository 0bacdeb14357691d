import { defineProject } from 'quern'

export default defineProject({
  task: 'tabular-classification',
  name: 'breast-cancer',
  data: {
    source: './breast-cancer.csv', // written by write-table.ts
    target: 'diagnosis',
    split: { validation: 0.1, test: 0.2 },
  },
  model: { name: 'mlp', hidden: [32], dropout: 0.5 },
  train: { epochs: 60, batchSize: 32, optimizer: { name: 'adam', learningRate: 0.005 }, l2: 0.002 },
})
