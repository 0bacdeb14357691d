/**
 * A regression without files: fits z = sin(x) + y / 2 by a small network, prints the loss, and keeps an ONNX file in memory.
 *
 *     node --import ./scripts/typescript.mjs examples/library/regression.ts [epochs]
 */
import { createRandom, dense, fit, float32, sequential } from 'quern/nn'

const epochs = Number(process.argv[2] ?? 60)
const examples = 512
const random = createRandom(1)
const points = Float32Array.from({ length: examples * 2 }, () => random.uniform() * 6 - 3)
const heights = Float32Array.from({ length: examples }, (_, i) => Math.sin(points[2 * i]!) + points[2 * i + 1]! / 2)

const run = fit(sequential([dense({ units: 32, activation: 'tanh' }), dense({ units: 1 })]), {
  x: float32([examples, 2], points),
  y: float32([examples, 1], heights), // one number for each example, in a column: the shape of the model's output
  loss: 'meanSquaredError',
  metrics: ['meanAbsoluteError'],
  optimizer: { name: 'adam', learningRate: 0.01 },
  schedule: 'cosine',
  validationSplit: 0.2,
  epochs,
})

for (;;) {
  const { done, value } = await run.next()
  if (done) {
    console.log(
      `the model is an ONNX file of ${value.onnx.length} bytes with ${[...value.parameters.keys()].join(', ')}`,
    )
    break
  }
  if (value.type !== 'epoch' || (value.epoch % 10 !== 0 && value.epoch !== epochs)) continue
  console.log(
    `epoch ${value.epoch}  loss ${value.train.loss!.toFixed(4)}  validation ${value.validation!.loss!.toFixed(4)}`,
  )
}
