/**
 * Training steps of WaveNet (van den Oord et al. 2016) on samples of a sound, the counterpart of peers/torch_wavenet_step.py: gated causal
 * convolutions of width 2 whose dilation doubles from layer to layer, skips that are added up, the next sample as one of 256 classes; Adam.
 * usage: wavenet-step FILE_OF_SAMPLES LAYERS,STACKS,RESIDUAL,SKIP,LENGTH,BATCH STEPS THREADS [PROFILE_PREFIX]
 */
import { readFileSync } from 'node:fs'
import { createRandom } from '../../src/core/random.ts'
import * as nn from '../../src/nn/index.ts'
import { table } from '../../src/ops/index.ts'
import { adam } from '../../src/optim/index.ts'
import { gradientRules } from '../../src/optim/update.ts'
import { createNodeBackend } from '../../src/runtime/onnxruntime-node.ts'
import { createTrainingStep } from '../../src/train/step.ts'
import { measureSteps, stepArguments } from './measured-steps.ts'

const { file, sizes, steps, session } = stepArguments()
const [layers = 10, stacks = 2, residual = 32, skip = 64, length = 2048, batchSize = 4] = sizes
const learningRate = 0.001
const levels = 256

const model = nn.waveNet({
  classes: levels,
  filters: residual,
  skipFilters: skip,
  blocks: layers,
  stacks,
  activation: 'linear',
})
const step = await createTrainingStep({
  network: {
    model,
    loss: nn.sparseCategoricalCrossentropy({ fromLogits: true }),
    inputs: [{ name: 'samples', dtype: 'int32', shape: [length] }],
    target: { name: 'next', dtype: 'int32', shape: [length] },
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
const sound = Int32Array.from(readFileSync(file))
const [now, next] = [step.batch.samples!.data as Int32Array, step.batch.next!.data as Int32Array]

await measureSteps(
  async (i) => {
    for (let row = 0; row < batchSize; row++) {
      const at = ((i * batchSize + row) * 997) % (sound.length - length - 1)
      now.set(sound.subarray(at, at + length), row * length)
      next.set(sound.subarray(at + 1, at + length + 1), row * length)
    }
    return (await step.run(batchSize, i + 1, learningRate)).loss
  },
  steps,
  step,
)
