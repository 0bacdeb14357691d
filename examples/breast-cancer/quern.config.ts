import { defineProject } from 'quern'

export default defineProject({
  task: 'tabular-classification',
  name: 'breast-cancer',
  data: {
    source: './breast-cancer.csv', // written by write-table.ts
    target: 'diagnosis',
    split: { validation: 0.1, test: 0.2 },
  },
  // Few rows: much is dropped at each step, and what is kept is an average of the weights.
  model: { name: 'mlp', hidden: [256], dropout: 0.5, inputDropout: 0.4 },
  train: {
    epochs: 60,
    batchSize: 32,
    optimizer: { name: 'adam', learningRate: 0.005 },
    l2: 0.002,
    ema: { decay: 0.995 },
  },
  metrics: ['areaUnderRoc', { name: 'sensitivityAtSpecificity', specificity: 0.95 }, 'calibrationError'],
})
