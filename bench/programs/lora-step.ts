/**
 * Training steps of a GPT of random weights with LoRA on a frozen base, or of all of it, the counterpart of peers/torch_lora_step.py: the same sizes, windows of a
 * text, AdamW.
 * usage: lora-step TEXT_FILE LAYERS,HEADS,WIDTH,CONTEXT,BATCH,VOCABULARY,RANK STEPS THREADS [PROFILE_PREFIX] [lora|full] [none|all|cheap]; the last is
 * what is computed again in place of being kept; prints one JSON line.
 */
import { adaptedModel, lora } from '../../src/adapters/index.ts'
import { sizeOf } from '../../src/core/shape.ts'
import { float32, type Tensor } from '../../src/core/tensor.ts'
import * as nn from '../../src/nn/index.ts'
import { table } from '../../src/ops/index.ts'
import { adamw } from '../../src/optim/index.ts'
import { readTokens } from './example-files.ts'
import { stepArguments } from './measured-steps.ts'
import { gpt, measureSequenceModel } from './next-in-sequence.ts'

const { file, sizes } = stepArguments()
const [layers = 12, numHeads = 12, width = 768, context = 128, batchSize = 4, vocabulary = 9728, rank = 8] = sizes
const [isLora, again] = [process.argv[7] !== 'full', process.argv[8]]
const base = gpt({ layers, numHeads, width, vocabulary })

/** The base as a file would bring it: drawn once, cheaply. */
function frozenWeights(): ReadonlyMap<string, Tensor> {
  const input = { name: 'tokens', type: { dtype: 'int32', shape: [batchSize, context] } } as const
  const { parameters } = nn.trace(base, [input], { table, training: false })
  let state = 1
  return new Map(
    parameters.map(({ path, spec }) => {
      const data = new Float32Array(sizeOf(spec.shape))
      if (spec.initializer === 'ones') data.fill(1)
      else if (spec.initializer !== 'zeros') {
        for (let i = 0; i < data.length; i++) {
          state = (Math.imul(state, 1664525) + 1013904223) | 0
          data[i] = (state / 2 ** 31) * 0.02 * Math.sqrt(3)
        }
      }
      return [path, float32(spec.shape, data)]
    }),
  )
}

const targets = ['queryKeyValue', 'output', 'up', 'down']
await measureSequenceModel({
  model: isLora
    ? adaptedModel(base, { adapter: lora({ rank, alpha: 2 * rank, targets }), weights: frozenWeights() })
    : base,
  sequence: readTokens(file, vocabulary),
  context,
  batchSize,
  optimizer: (options) => adamw({ ...options, weightDecay: 0.01 }),
  learningRate: 0.0001,
  warmUp: 2,
  again,
})
