/**
 * Training steps of the seed's CNN, the counterpart of peers/torch_cnn_step.py: the training images in memory, batches of 32
 * gathered from them in random order, gradients, Adam. usage: cnn-step FOLDER_WITH_MNIST_IDX STEPS THREADS; prints one JSON line.
 */
import { readFileSync } from 'node:fs'
import { resolveProject } from '../../src/actions/project.ts'
import type { NumericArray } from '../../src/core/dtype.ts'
import { createRandom } from '../../src/core/random.ts'
import { createBatches } from '../../src/data/batches.ts'
import { table } from '../../src/ops/index.ts'
import { adam } from '../../src/optim/index.ts'
import { gradientRules } from '../../src/optim/update.ts'
import { createNodeBackend } from '../../src/runtime/onnxruntime-node.ts'
import { createTrainingStep } from '../../src/train/step.ts'

const [source = '', steps = '400', threads = '2'] = process.argv.slice(2)
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
  network: { ...task.network(config, data), table },
  optimizer: adam({ learningRate }),
  backend: createNodeBackend(),
  session: { threads: Number(threads) },
  random,
  batchSize,
  rules: gradientRules({}),
})
const into = Object.fromEntries(Object.entries(step.batch).map(([name, { data }]) => [name, data as NumericArray]))
const batches = createBatches(data.splits.train, { batchSize, into, random })
const full = Math.floor(data.splits.train.length / batchSize)
let loss = Number.NaN

async function run(from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i++) {
    if (i % full === 0) batches.start(i / full + 1)
    ;({ loss } = await step.run(batches.fill(i % full), i + 1, learningRate))
  }
}

await run(0, warmUp)
const start = performance.now()
await run(warmUp, Number(steps))
const milliseconds = (performance.now() - start) / Number(steps)
await step.release()

/** Highest resident memory of this process in MB; of /proc, since getrusage's maxrss begins with the parent's. */
function peakMemory(): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024
  } catch {
    return process.resourceUsage().maxRSS / 1024
  }
}
console.log(JSON.stringify({ milliseconds, loss, memory: peakMemory() }))
