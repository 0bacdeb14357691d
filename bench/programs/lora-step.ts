/**
 * Training steps of a GPT of random weights with LoRA on a frozen base, or of all of it, the counterpart of peers/torch_lora_step.py: the same sizes, windows of a
 * text, AdamW.
 * usage: lora-step TEXT_FILE LAYERS,HEADS,WIDTH,CONTEXT,BATCH,VOCABULARY,RANK STEPS THREADS [PROFILE_PREFIX] [lora|full] [none|all|cheap]; the last is
 * what is computed again in place of being kept; prints one JSON line.
 */
import { adaptedModel, lora } from '../../src/adapters/index.ts'
import { createRandom } from '../../src/core/random.ts'
import { sizeOf } from '../../src/core/shape.ts'
import { float32, type Tensor } from '../../src/core/tensor.ts'
import * as nn from '../../src/nn/index.ts'
import { table } from '../../src/ops/index.ts'
import { adamw } from '../../src/optim/index.ts'
import { gradientRules } from '../../src/optim/update.ts'
import { createNodeBackend } from '../../src/runtime/onnxruntime-node.ts'
import { createTrainingStep } from '../../src/train/step.ts'
import { readTokens } from './example-files.ts'
import { measureSteps, stepArguments } from './measured-steps.ts'

const { file, sizes, steps, session } = stepArguments()
const [layers = 12, numHeads = 12, width = 768, context = 128, batchSize = 4, vocabulary = 9728, rank = 8] = sizes
const [isLora, again] = [process.argv[7] !== 'full', process.argv[8]]
const learningRate = 0.0001

const normal = { name: 'randomNormal', stddev: 0.02 } as const
const options = { numHeads, epsilon: 1e-5, kernelInitializer: normal }
const base = nn.sequential([
  nn.embedding({ inputDim: vocabulary, outputDim: width, embeddingsInitializer: normal }),
  nn.positionEmbedding({ initializer: normal }),
  ...Array.from({ length: layers }, () => nn.transformerDecoder(options)),
  nn.layerNormalization({ epsilon: 1e-5 }),
  nn.dense({ units: vocabulary, useBias: false, kernelInitializer: normal }),
])
const random = createRandom(1)

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
const model = isLora
  ? adaptedModel(base, { adapter: lora({ rank, alpha: 2 * rank, targets }), weights: frozenWeights() })
  : base
const step = await createTrainingStep({
  network: {
    model,
    loss: nn.sparseCategoricalCrossentropy({ fromLogits: true }),
    inputs: [{ name: 'tokens', dtype: 'int32', shape: [context] }],
    target: { name: 'next', dtype: 'int32', shape: [context] },
    table,
  },
  optimizer: adamw({ learningRate, weightDecay: 0.01 }),
  backend: createNodeBackend(),
  session,
  random,
  batchSize,
  evaluationBatchSize: batchSize,
  rules: gradientRules({}),
  recompute: again === 'all' || again === 'cheap' ? again : undefined,
})
const text = readTokens(file, vocabulary)
const [tokens, next] = [step.batch.tokens!.data as Int32Array, step.batch.next!.data as Int32Array]
const draws = random.fork('windows')

async function run(i: number): Promise<number> {
  for (let row = 0; row < batchSize; row++) {
    const at = Math.floor(draws.uniform() * (text.length - context - 1))
    tokens.set(text.subarray(at, at + context), row * context)
    next.set(text.subarray(at + 1, at + context + 1), row * context)
  }
  return (await step.run(batchSize, i + 1, learningRate)).loss
}

await measureSteps(run, steps, step, 2)
