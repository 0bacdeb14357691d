/** Recurrent layers for the check of every layer. */
import * as nn from '../src/nn/index.ts'
import type { LayerCheck } from './check-layer.ts'

const sequence = [4, 3]
const refused: LayerCheck['refused'] = [[[[3]], 'needs [batch, time, features], received [batch, 3]']]

type Written = { kind: string } & nn.RecurrentOptions

const makers: Readonly<Record<string, (options: nn.RecurrentOptions) => nn.Layer>> = {
  simpleRNN: nn.simpleRNN,
  lstm: nn.lstm,
  gru: nn.gru,
}

const bidirectionalAgain = ({ layer: { kind, ...options }, ...rest }: { layer: Written }) =>
  nn.bidirectional({ ...rest, layer: makers[kind]!(options) })

export const recurrentChecks: Readonly<Record<string, LayerCheck>> = {
  simpleRNN: {
    layer: nn.simpleRNN({ units: 5 }),
    readsMask: true,
    inputs: [sequence],
    output: [5],
    parameters: { kernel: [5, 3], recurrentKernel: [5, 5], bias: [5] },
    again: nn.simpleRNN,
    refused,
  },
  'simpleRNN with relu, all outputs': {
    layer: nn.simpleRNN({ units: 5, activation: 'relu', returnSequences: true, useBias: false }),
    inputs: [sequence],
    output: [4, 5],
    parameters: { kernel: [5, 3], recurrentKernel: [5, 5] },
    again: nn.simpleRNN,
  },
  lstm: {
    layer: nn.lstm({ units: 5 }),
    readsMask: true,
    inputs: [sequence],
    output: [5],
    parameters: { kernel: [20, 3], recurrentKernel: [20, 5], bias: [20] },
    again: nn.lstm,
    refused,
  },
  'lstm backwards, all outputs': {
    layer: nn.lstm({ units: 5, returnSequences: true, goBackwards: true, name: 'reader' }),
    inputs: [sequence],
    output: [4, 5],
    parameters: { kernel: [20, 3], recurrentKernel: [20, 5], bias: [20] },
    again: nn.lstm,
  },
  gru: {
    layer: nn.gru({ units: 5 }),
    readsMask: true,
    inputs: [sequence],
    output: [5],
    parameters: { kernel: [15, 3], recurrentKernel: [15, 5], bias: [2, 15] },
    again: nn.gru,
    refused,
  },
  'gru with reset first, all outputs': {
    layer: nn.gru({ units: 5, resetAfter: false, returnSequences: true }),
    readsMask: true,
    inputs: [sequence],
    output: [4, 5],
    parameters: { kernel: [15, 3], recurrentKernel: [15, 5], bias: [15] },
    again: nn.gru,
  },
  bidirectional: {
    layer: nn.bidirectional({ layer: nn.lstm({ units: 5 }) }),
    readsMask: true,
    inputs: [sequence],
    output: [10],
    parameters: {
      'forward/kernel': [20, 3],
      'forward/recurrentKernel': [20, 5],
      'forward/bias': [20],
      'backward/kernel': [20, 3],
      'backward/recurrentKernel': [20, 5],
      'backward/bias': [20],
    },
    again: bidirectionalAgain,
  },
  'bidirectional, averaged sequences': {
    layer: nn.bidirectional({ layer: nn.gru({ units: 5, returnSequences: true, useBias: false }), mergeMode: 'ave' }),
    readsMask: true,
    inputs: [sequence],
    output: [4, 5],
    parameters: {
      'forward/kernel': [15, 3],
      'forward/recurrentKernel': [15, 5],
      'backward/kernel': [15, 3],
      'backward/recurrentKernel': [15, 5],
    },
    again: bidirectionalAgain,
  },
}
