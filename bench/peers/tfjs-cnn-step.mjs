/**
 * One training step of the seed's CNN in TensorFlow.js, pure JavaScript (its WebAssembly backend cannot train Conv2D).
 * usage: node tfjs-cnn-step.mjs FOLDER_WITH_MNIST_IDX STEPS FOLDER_WITH_TFJS; prints one JSON line.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [folder, steps = '3', installed] = process.argv.slice(2)
// It advises to install tfjs-node, on stdout.
console.warn = console.info = console.log
const print = console.log
console.log = () => {}
const tf = createRequire(join(installed, 'x.js'))('@tensorflow/tfjs')
await tf.setBackend('cpu')

const batch = 32
const pixels = readFileSync(join(folder, 'train-images-idx3-ubyte')).subarray(16)
const labels = readFileSync(join(folder, 'train-labels-idx1-ubyte')).subarray(8)
const model = tf.sequential({
  layers: [
    tf.layers.conv2d({ inputShape: [28, 28, 1], filters: 32, kernelSize: 3, activation: 'relu' }),
    tf.layers.maxPooling2d({ poolSize: 2 }),
    tf.layers.flatten(),
    tf.layers.dense({ units: 128, activation: 'relu' }),
    tf.layers.dense({ units: 10, activation: 'softmax' }),
  ],
})
model.compile({ optimizer: tf.train.adam(0.001), loss: 'categoricalCrossentropy' })

async function step(i) {
  const first = (i * batch) % 53984
  const images = Float32Array.from(pixels.subarray(first * 784, (first + batch) * 784), (value) => value / 255)
  const x = tf.tensor4d(images, [batch, 28, 28, 1])
  const y = tf.oneHot(Int32Array.from(labels.subarray(first, first + batch)), 10)
  const loss = await model.trainOnBatch(x, y)
  tf.dispose([x, y])
  return loss
}

await step(0)
const start = performance.now()
let loss
for (let i = 1; i <= Number(steps); i++) loss = await step(i)
const milliseconds = (performance.now() - start) / Number(steps)
print(JSON.stringify({ milliseconds, loss, version: tf.version.tfjs }))
