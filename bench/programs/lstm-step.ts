/**
 * Training steps of a language model of LSTM layers on bytes of a text, the counterpart of peers/torch_lstm_step.py: Adam.
 * usage: lstm-step TEXT_FILE LAYERS,UNITS,CONTEXT,BATCH,VOCABULARY STEPS THREADS [PROFILE_PREFIX]
 */
import * as nn from '../../src/nn/index.ts'
import { adam } from '../../src/optim/index.ts'
import { readTokens } from './example-files.ts'
import { stepArguments } from './measured-steps.ts'
import { measureSequenceModel } from './next-in-sequence.ts'
import { drawAsTorchLinear } from './torch-linear.ts'

const { file, sizes } = stepArguments()
const [layers = 2, units = 256, context = 128, batchSize = 32, vocabulary = 65] = sizes

await measureSequenceModel({
  model: nn.sequential([
    nn.embedding({
      inputDim: vocabulary,
      outputDim: units,
      embeddingsInitializer: { name: 'randomNormal', stddev: 1 },
    }),
    ...Array.from({ length: layers }, () => nn.lstm({ units, returnSequences: true })),
    nn.dense({ units: vocabulary }),
  ]),
  sequence: readTokens(file, vocabulary),
  context,
  batchSize,
  optimizer: adam,
  learningRate: 0.001,
  prepare: (step) => drawAsTorchLinear(step, 'dense'),
})
