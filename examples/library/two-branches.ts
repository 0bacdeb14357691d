/**
 * A model with two branches in the functional style: one looks at the sum of neighbours, one at every number by itself. It tells
 * series with a jump in them from those without.
 *
 *     node --import ./scripts/typescript.mjs examples/library/two-branches.ts [epochs]
 */
import {
  concatenate,
  conv1d,
  createRandom,
  dense,
  fit,
  flatten,
  float32,
  globalMaxPooling,
  input,
  model,
  tensor,
} from 'quern/nn'

const epochs = Number(process.argv[2] ?? 15)
const [examples, length] = [600, 24]
const random = createRandom(2)
const series = new Float32Array(examples * length)
const labels = Int32Array.from({ length: examples }, () => random.integer(2))
for (let i = 0; i < examples; i++) {
  const jump = labels[i] === 1 ? 4 + random.integer(length - 8) : length
  for (let t = 0; t < length; t++) series[i * length + t] = 0.3 * random.normal() + (t >= jump ? 1.5 : 0)
}

// One example is [channels, length]; channels come first, as in ONNX.
const x = input({ shape: [1, length] })
const local = globalMaxPooling()(conv1d({ filters: 8, kernelSize: 4, activation: 'relu' })(x))
const global = dense({ units: 8, activation: 'relu' })(flatten()(x))
const outputs = dense({ units: 2, activation: 'softmax' })(concatenate()([local, global]))

const run = fit(model({ inputs: x, outputs }), {
  x: float32([examples, 1, length], series),
  y: tensor('int32', [examples], labels),
  loss: 'sparseCategoricalCrossentropy',
  metrics: ['accuracy'],
  optimizer: { name: 'adam', learningRate: 0.01 },
  validationSplit: 0.25,
  earlyStopping: { patience: 4 },
  epochs,
})

for await (const event of run) {
  if (event.type === 'started') console.log(`${event.parameters} parameters`)
  if (event.type !== 'epoch') continue
  const { loss, accuracy } = event.validation!
  console.log(
    `epoch ${event.epoch}  loss ${event.train.loss!.toFixed(4)}  validation ${loss!.toFixed(4)}, accuracy ${accuracy!.toFixed(3)}`,
  )
}
