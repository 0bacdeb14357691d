/**
 * Training steps of a language model of LSTM layers on bytes of a text, the counterpart of peers/torch_lstm_step.py: Adam.
 * usage: lstm-step TEXT_FILE LAYERS,UNITS,CONTEXT,BATCH,VOCABULARY STEPS THREADS [PROFILE_PREFIX]
 */
import { createRandom } from '../../src/core/random.ts'
import * as nn from '../../src/nn/index.ts'
import { table } from '../../src/ops/index.ts'
import { adam } from '../../src/optim/index.ts'
import { gradientRules } from '../../src/optim/update.ts'
import { createNodeBackend } from '../../src/runtime/onnxruntime-node.ts'
import { createTrainingStep } from '../../src/train/step.ts'
import { readTokens } from './example-files.ts'
import { measureSteps, stepArguments } from './measured-steps.ts'

const { file, sizes, steps, session } = stepArguments()
const [layers = 2, units = 256, context = 128, batchSize = 32, vocabulary = 65] = sizes
const learningRate = 0.001

const model = nn.sequential([
  nn.embedding({ inputDim: vocabulary, outputDim: units, embeddingsInitializer: { name: 'randomNormal', stddev: 1 } }),
  ...Array.from({ length: layers }, () => nn.lstm({ units, returnSequences: true })),
  nn.dense({ units: vocabulary }),
])
const step = await createTrainingStep({
  network: {
    model,
    loss: nn.sparseCategoricalCrossentropy({ fromLogits: true }),
    inputs: [{ name: 'tokens', dtype: 'int32', shape: [context] }],
    target: { name: 'next', dtype: 'int32', shape: [context] },
    table,
  },
  optimizer: adam({ learningRate }),
  backend: createNodeBackend(),
  session,
  random: createRandom(1),
  batchSize,
  evaluationBatchSize: batchSize,
  rules: gradientRules({}),
})
const text = readTokens(file, vocabulary)
const [tokens, next] = [step.batch.tokens!.data as Int32Array, step.batch.next!.data as Int32Array]

await measureSteps(
  async (i) => {
    for (let row = 0; row < batchSize; row++) {
      const at = ((i * batchSize + row) * 997) % (text.length - context - 1)
      tokens.set(text.subarray(at, at + context), row * context)
      next.set(text.subarray(at + 1, at + context + 1), row * context)
    }
    return (await step.run(batchSize, i + 1, learningRate)).loss
  },
  steps,
  step,
)
