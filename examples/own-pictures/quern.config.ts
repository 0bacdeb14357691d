import { defineProject } from 'quern'
import {
  activation,
  batchNormalization,
  conv2d,
  dense,
  dropout,
  globalMaxPooling,
  maxPooling2d,
  sequential,
} from 'quern/nn'

export default defineProject({
  task: 'image-classification',
  name: 'shapes',
  seed: 1,
  data: {
    source: './photos', // photos/circle/0.png, photos/square/0.png, ...
    image: { height: 32, width: 32, channels: 1 },
    onBroken: 'skip',
    split: { validation: 0.15, test: 0.15 },
  },
  // Layers of your own; 'cnn', 'mlp' and 'cnn-deep' are there by name. The last one has as many units as there are classes.
  model: sequential([
    conv2d({ filters: 16, kernelSize: 3, useBias: false }),
    batchNormalization({ momentum: 0.9 }),
    activation('relu'),
    maxPooling2d(),
    conv2d({ filters: 32, kernelSize: 3, useBias: false }),
    batchNormalization({ momentum: 0.9 }),
    activation('relu'),
    maxPooling2d(),
    conv2d({ filters: 48, kernelSize: 3, activation: 'relu' }),
    globalMaxPooling(),
    dropout({ rate: 0.1 }),
    dense({ units: 3, activation: 'softmax' }),
  ]),
  augment: { flipHorizontal: true, flipVertical: true, shift: 0.1 },
  train: {
    epochs: 20,
    batchSize: 16,
    optimizer: { name: 'adam', learningRate: 0.003 },
    schedule: 'cosine',
    earlyStopping: { patience: 6 },
  },
})
