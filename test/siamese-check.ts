/** A model with two inputs and a shared tower, for the check of every layer. */
import * as nn from '../src/nn/index.ts'
import type { LayerCheck } from './check-layer.ts'

export function siamese(): LayerCheck {
  const [left, right] = [nn.input({ name: 'left', shape: [8] }), nn.input({ name: 'right', shape: [8] })]
  const tower = nn.sequential([nn.dense({ units: 4, activation: 'tanh' }), nn.dense({ units: 4 })], { name: 'tower' })
  const [a, b] = [tower(left), tower(right)]
  const both = nn.concatenate()([a, b, nn.multiply()([a, b])])
  return {
    layer: nn.model({
      inputs: [left, right],
      outputs: nn.add()([nn.dense({ units: 2 })(both), nn.dense({ units: 2 })(left)]),
    }),
    inputs: [[8], [8]],
    output: [2],
    parameters: {
      'tower/dense/kernel': [8, 4],
      'tower/dense/bias': [4],
      'tower/dense_1/kernel': [4, 4],
      'tower/dense_1/bias': [4],
      'dense/kernel': [12, 2],
      'dense/bias': [2],
      'dense_1/kernel': [8, 2],
      'dense_1/bias': [2],
    },
    refused: [[[[8]], "the model takes 2 inputs ('left', 'right'), received 1"]],
  }
}
