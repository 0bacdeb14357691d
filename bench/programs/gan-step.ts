/**
 * Training steps of a DCGAN (Radford et al. 2016) on pictures of 28 x 28, the counterpart of peers/torch_gan_step.py: one run of generator and
 * discriminator gives the gradients of both, then both are updated; Adam. usage: gan-step FILE_OF_EXAMPLES BATCH,LATENT,FILTERS STEPS THREADS [PROFILE_PREFIX]
 */
import { createRandom } from '../../src/core/random.ts'
import * as nn from '../../src/nn/index.ts'
import { table } from '../../src/ops/index.ts'
import { adam } from '../../src/optim/index.ts'
import { gradientRules } from '../../src/optim/update.ts'
import { createNodeBackend } from '../../src/runtime/onnxruntime-node.ts'
import type { ObjectiveContext } from '../../src/train/network.ts'
import { createTrainingStep } from '../../src/train/step.ts'
import { readPictures } from './example-files.ts'
import { measureSteps, stepArguments } from './measured-steps.ts'

const { file, sizes, steps, session } = stepArguments()
const [batchSize = 64, latent = 100, filters = 64] = sizes
const learningRate = 2e-4
const side = 28
const initial = { kernelInitializer: { name: 'randomNormal', stddev: 0.02 } } as const
const halving = { ...initial, kernelSize: 4, strides: 2, padding: 'same' } as const
const normalized = (): nn.Layer[] => [nn.batchNormalization({ momentum: 0.9, epsilon: 1e-5 }), nn.activation('relu')]

const generator = nn.sequential([
  nn.dense({ ...initial, units: 7 * 7 * 2 * filters, useBias: false }),
  nn.reshape({ targetShape: [2 * filters, 7, 7] }),
  ...normalized(),
  nn.conv2dTranspose({ ...halving, filters, useBias: false }),
  ...normalized(),
  nn.conv2dTranspose({ ...halving, filters: 1, activation: 'tanh' }),
])
const discriminator = nn.sequential([
  nn.conv2d({ ...halving, filters, activation: 'leakyRelu' }),
  nn.conv2d({ ...halving, filters: 2 * filters, activation: 'leakyRelu' }),
  nn.flatten(),
  nn.dense({ ...initial, units: 1 }),
])

const { critic, generator: fooling } = nn.adversarialLosses.nonSaturating
// The same noise in both objectives: the generator runs once a step.
const judgedFake = (c: ObjectiveContext) =>
  c.apply('discriminator', c.apply('generator', c.random('noise', [batchSize, latent])))
const step = await createTrainingStep({
  network: {
    models: { generator, discriminator },
    columns: [{ name: 'pictures', dtype: 'float32', shape: [1, side, side] }],
    objectives: [
      {
        name: 'discriminator',
        parameters: 'discriminator',
        loss: (c) => critic(c.g, c.apply('discriminator', c.column('pictures')), judgedFake(c)),
      },
      { name: 'generator', parameters: 'generator', loss: (c) => fooling(c.g, judgedFake(c)) },
    ],
    table,
  },
  optimizer: adam({ learningRate, beta1: 0.5 }),
  backend: createNodeBackend(),
  session,
  random: createRandom(1),
  batchSize,
  evaluationBatchSize: batchSize,
  rules: gradientRules({}),
})
const { pictures, count } = readPictures(file, side * side)
for (let i = 0; i < pictures.length; i++) pictures[i] = 2 * pictures[i]! - 1
const images = step.batch.pictures!.data as Float32Array

await measureSteps(
  async (i) => {
    const at = (i * batchSize) % (count - batchSize + 1)
    images.set(pictures.subarray(at * side * side, (at + batchSize) * side * side))
    return (await step.run(batchSize, i + 1, learningRate)).loss
  },
  steps,
  step,
)
