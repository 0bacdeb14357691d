/**
 * Training steps of a small GPT on bytes of a text, the counterpart of peers/torch_gpt_step.py: the same sizes, random windows of the text, AdamW.
 * usage: gpt-step TEXT_FILE LAYERS,HEADS,WIDTH,CONTEXT,BATCH,VOCABULARY STEPS THREADS [PROFILE_PREFIX]; prints one JSON line.
 */
import { readFileSync } from 'node:fs'
import { createRandom } from '../../src/core/random.ts'
import * as nn from '../../src/nn/index.ts'
import { table } from '../../src/ops/index.ts'
import { adamw } from '../../src/optim/index.ts'
import { gradientRules } from '../../src/optim/update.ts'
import { createNodeBackend } from '../../src/runtime/onnxruntime-node.ts'
import { createTrainingStep } from '../../src/train/step.ts'

const [file = '', sizes = '4,4,128,64,12,65', steps = '60', threads = '2', profile] = process.argv.slice(2)
const [layers = 0, numHeads = 0, width = 0, context = 0, batchSize = 0, vocabulary = 0] = sizes.split(',').map(Number)
const warmUp = 10
const learningRate = 0.001

/** Each byte by the order in which it first occurs; those beyond the vocabulary share the last number. */
function tokensOf(bytes: Uint8Array): Int32Array {
  const numbers = new Map([...new Set(bytes)].slice(0, vocabulary - 1).map((byte, i) => [byte, i]))
  return Int32Array.from(bytes, (byte) => numbers.get(byte) ?? vocabulary - 1)
}

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
  session: { threads: Number(threads), ...(profile ? { profile } : {}) },
  random,
  batchSize,
  evaluationBatchSize: batchSize,
  rules: gradientRules({}),
})
const text = tokensOf(readFileSync(file))
const [tokens, next] = [step.batch.tokens!.data as Int32Array, step.batch.next!.data as Int32Array]
const draws = random.fork('windows')
let loss = Number.NaN

async function run(from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i++) {
    for (let row = 0; row < batchSize; row++) {
      const at = Math.floor(draws.uniform() * (text.length - context - 1))
      tokens.set(text.subarray(at, at + context), row * context)
      next.set(text.subarray(at + 1, at + context + 1), row * context)
    }
    ;({ loss } = await step.run(batchSize, i + 1, learningRate))
  }
}

await run(0, warmUp)
const start = performance.now()
await run(warmUp, Number(steps))
const milliseconds = (performance.now() - start) / Number(steps)
await step.release()
console.log(JSON.stringify({ milliseconds, loss, parameters: step.trainableCount }))
