import { defineProject } from 'quern'

export default defineProject({
  task: 'tabular-classification',
  name: 'pima',
  data: {
    source: './diabetes.csv', // written by write-table.ts
    target: 'diabetes',
    split: { validation: 0.15, test: 0.25 },
  },
  // Few rows and much noise: half of the units, and a fifth of what goes in, are dropped at each step.
  model: { name: 'mlp', hidden: [64], dropout: 0.5, inputDropout: 0.2 },
  train: { epochs: 40, batchSize: 32, optimizer: { name: 'adam', learningRate: 0.003 }, l2: 0.005 },
  metrics: ['areaUnderRoc', { name: 'sensitivityAtSpecificity', specificity: 0.9 }, 'calibrationError'],
})
