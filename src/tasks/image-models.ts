/** Networks for pictures `[batch, channels, height, width]` with values from 0 to 1, by name. */
import {
  activation,
  batchNormalization,
  conv2d,
  dense,
  dropout,
  flatten,
  globalAveragePooling,
  type Layer,
  maxPooling2d,
  sequential,
} from '../nn/index.ts'

/** The seed's multilayer perceptron: 100 hidden units. */
function mlp(classes: number): Layer {
  return sequential([
    flatten(),
    dense({ units: 100, activation: 'relu', kernelInitializer: 'heUniform' }),
    dense({ units: classes, activation: 'softmax' }),
  ])
}

/** The seed's convolutional network: one convolution of 32 filters, one hidden layer of 128 units. */
function cnn(classes: number): Layer {
  return sequential([
    conv2d({ filters: 32, kernelSize: 3, activation: 'relu' }),
    maxPooling2d(),
    flatten(),
    dense({ units: 128, activation: 'relu' }),
    dense({ units: classes, activation: 'softmax' }),
  ])
}

const normalized = (filters: number): Layer =>
  sequential([
    conv2d({ filters, kernelSize: 3, padding: 'same', useBias: false, kernelInitializer: 'heNormal' }),
    batchNormalization({ momentum: 0.9 }),
    activation('relu'),
  ])

/** Three blocks of two normalised convolutions: the better choice when a minute more of training does not matter. */
function cnnDeep(classes: number): Layer {
  return sequential([
    normalized(32),
    normalized(32),
    maxPooling2d(),
    normalized(64),
    normalized(64),
    maxPooling2d(),
    normalized(128),
    globalAveragePooling(),
    dropout({ rate: 0.2 }),
    dense({ units: classes, activation: 'softmax' }),
  ])
}

export const imageModels: Readonly<Record<ImageModelName, (classes: number) => Layer>> = {
  mlp,
  cnn,
  'cnn-deep': cnnDeep,
}

export type ImageModelName = 'mlp' | 'cnn' | 'cnn-deep'
export const imageModelNames = ['mlp', 'cnn', 'cnn-deep'] as const
