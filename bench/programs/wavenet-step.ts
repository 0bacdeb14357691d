/**
 * Training steps of WaveNet (van den Oord et al. 2016) on samples of a sound, the counterpart of peers/torch_wavenet_step.py: gated causal
 * convolutions of width 2 whose dilation doubles from layer to layer, skips that are added up, the next sample as one of 256 classes; Adam.
 * usage: wavenet-step FILE_OF_SAMPLES LAYERS,STACKS,RESIDUAL,SKIP,LENGTH,BATCH STEPS THREADS [PROFILE_PREFIX]
 */
import { readFileSync } from 'node:fs'
import * as nn from '../../src/nn/index.ts'
import { adam } from '../../src/optim/index.ts'
import { stepArguments } from './measured-steps.ts'
import { measureSequenceModel } from './next-in-sequence.ts'

const { file, sizes } = stepArguments()
const [blocks = 10, stacks = 2, filters = 32, skipFilters = 64, context = 2048, batchSize = 4] = sizes

await measureSequenceModel({
  model: nn.waveNet({ classes: 256, filters, skipFilters, blocks, stacks, activation: 'linear' }),
  sequence: Int32Array.from(readFileSync(file)),
  context,
  batchSize,
  optimizer: adam,
  learningRate: 0.001,
})
