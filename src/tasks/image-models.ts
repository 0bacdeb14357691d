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

/**
 * Convolution, batch normalisation, relu. Pooling stands before the normalisation where there is any, so that this has a quarter
 * of the pixels to read and write, forward and back.
 */
const convolved = (filters: number, { pool }: { pool: boolean }): Layer =>
  sequential([
    conv2d({ filters, kernelSize: 3, padding: 'same', useBias: false, kernelInitializer: 'heNormal' }),
    ...(pool ? [maxPooling2d()] : []),
    batchNormalization({ momentum: 0.9 }),
    activation('relu'),
  ])

/** Four normalised convolutions and a mean over all places: the better choice when a few minutes of training do not matter. */
function cnnDeep(classes: number): Layer {
  return sequential([
    convolved(32, { pool: true }),
    convolved(48, { pool: true }),
    convolved(96, { pool: false }),
    convolved(96, { pool: false }),
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
