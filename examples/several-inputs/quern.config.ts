import { defineProject } from 'quern'

// One model that reads a number, a name, a picture and a text: an encoder for each of the last two, and a network over all.
export default defineProject({
  task: 'tabular-regression',
  name: 'parcels',
  data: {
    source: './parcels.csv', // written by write-parcels.ts
    target: 'price',
    columns: {
      label: { kind: 'image', feature: 'pixels', options: { height: 28, width: 28, channels: 1 } },
      note: { kind: 'text', feature: 'words', options: { length: 12 } },
    },
    split: { validation: 0.1, test: 0.2 },
  },
  encoders: {
    label: { name: 'cnn', size: 32, filters: [16, 32] }, // or layers of your own from quern/nn
    note: { name: 'words', size: 16 },
  },
  model: { name: 'mlp', hidden: [64], dropout: 0.1 }, // 'ftTransformer' lets the columns see each other
  train: { epochs: 12, batchSize: 64, optimizer: { name: 'adam', learningRate: 0.003 } },
})
