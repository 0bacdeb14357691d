/**
 * Training steps of the seed's CNN, the counterpart of peers/torch_cnn_step.py: the training images in memory, batches of 32
 * gathered from them in random order, gradients, Adam. usage: cnn-step FOLDER_WITH_MNIST_IDX STEPS THREADS [PROFILE_PREFIX]; prints one JSON line.
 */
import { networkFrom } from '../../src/actions/create-step.ts'
import { resolveProject } from '../../src/actions/project.ts'
import type { NumericArray } from '../../src/core/dtype.ts'
import { createRandom } from '../../src/core/random.ts'
import { createBatches } from '../../src/data/batches.ts'
import { table } from '../../src/ops/index.ts'
import { adam } from '../../src/optim/index.ts'
import { gradientRules } from '../../src/optim/update.ts'
import { createNodeBackend } from '../../src/runtime/onnxruntime-node.ts'
import { createTrainingStep } from '../../src/train/step.ts'
import { measureSteps } from './measured-steps.ts'

const [source = '', steps = '400', threads = '2', profile] = process.argv.slice(2)
const warmUp = 20
const learningRate = 0.001

const { task, config } = resolveProject(
  {
    task: 'image-classification',
    data: { source, split: { validation: 0.1 } },
    model: 'cnn',
    threads: Number(threads),
  },
  { root: source, what: 'bench' },
)
const data = await task.load(config, { root: source })
const { batchSize } = config.train
const random = createRandom(config.seed)
const step = await createTrainingStep({
  network: networkFrom(task.network(config, data), table),
  optimizer: adam({ learningRate }),
  backend: createNodeBackend(),
  session: { threads: Number(threads), ...(profile ? { profile } : {}) },
  random,
  batchSize,
  rules: gradientRules({}),
})
const into = Object.fromEntries(Object.entries(step.batch).map(([name, { data }]) => [name, data as NumericArray]))
const batches = createBatches(data.splits.train, { batchSize, into, random })
const full = Math.floor(data.splits.train.length / batchSize)

async function run(i: number): Promise<number> {
  if (i % full === 0) batches.start(i / full + 1)
  return (await step.run(batches.fill(i % full), i + 1, learningRate)).loss
}

await measureSteps(run, Number(steps), step, warmUp)
