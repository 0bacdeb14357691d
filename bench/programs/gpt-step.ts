/**
 * Training steps of a small GPT on bytes of a text, the counterpart of peers/torch_gpt_step.py: the same sizes, random windows of the text, AdamW.
 * usage: gpt-step TEXT_FILE LAYERS,HEADS,WIDTH,CONTEXT,BATCH,VOCABULARY STEPS THREADS [PROFILE_PREFIX] [none|all|cheap]; the last is
 * what is computed again in place of being kept, and asks for 2 steps of warming up in place of 10; prints one JSON line.
 */
import { createRandom } from '../../src/core/random.ts'
import * as nn from '../../src/nn/index.ts'
import { table } from '../../src/ops/index.ts'
import { adamw } from '../../src/optim/index.ts'
import { gradientRules } from '../../src/optim/update.ts'
import { createNodeBackend } from '../../src/runtime/onnxruntime-node.ts'
import { createTrainingStep } from '../../src/train/step.ts'
import { readTokens } from './example-files.ts'
import { measureSteps, stepArguments } from './measured-steps.ts'

const { file, sizes, steps, session } = stepArguments()
const [layers = 4, numHeads = 4, width = 128, context = 64, batchSize = 12, vocabulary = 65] = sizes
const again = process.argv[7]
const warmUp = again === undefined ? 10 : 2
const learningRate = 0.001

const normal = { name: 'randomNormal', stddev: 0.02 } as const
const options = { numHeads, epsilon: 1e-5, kernelInitializer: normal }
const model = nn.sequential([
  nn.embedding({ inputDim: vocabulary, outputDim: width, embeddingsInitializer: normal }),
  nn.positionEmbedding({ initializer: normal }),
  ...Array.from({ length: layers }, () => nn.transformerDecoder(options)),
  nn.layerNormalization({ epsilon: 1e-5 }),
  nn.dense({ units: vocabulary, useBias: false, kernelInitializer: normal }),
])
const random = createRandom(1)
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

await measureSteps(run, steps, step, warmUp)
