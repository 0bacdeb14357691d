/** What test/check-layer.ts is to look at, of layers that say or read which steps of a sequence are padding. */
import * as nn from '../src/nn/index.ts'
import type { LayerCheck } from './check-layer.ts'

export const sequenceChecks: Readonly<Record<string, LayerCheck>> = {
  masking: {
    layer: nn.masking({ maskValue: -1 }),
    inputs: [[4, 3]],
    output: [4, 3],
    again: nn.masking,
    refused: [
      [[[4]], 'masking needs [batch, time, features] and perhaps a mask, received [batch, 4]'],
      [[[4, 3], [3]], 'masking needs a mask [batch, 4] or lengths int32 [batch], received float32 [batch, 3]'],
    ],
  },
  'masking by a second input': {
    layer: nn.masking(),
    inputs: [[4, 3], [4]],
    output: [4, 3],
    again: nn.masking,
  },
}
