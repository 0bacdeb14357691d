/** Points in four clouds, a network that tells them apart, and what fine-tuning makes of it: what tests of `fineTune` start from. */
import { type FineTuned, type FineTuneOptions, fineTune } from '../src/actions/fine-tune.ts'
import { fit } from '../src/actions/fit.ts'
import { float32, type Tensor } from '../src/core/tensor.ts'
import { dense, sequential } from '../src/nn/index.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'

export interface Clouds {
  readonly x: Tensor<Float32Array>
  readonly y: Tensor<Int32Array>
}

/** Points in four clouds, two numbers each; the class is the cloud. */
export function clouds(count: number, shift = 0): Clouds {
  const x = new Float32Array(count * 2)
  const y = new Int32Array(count)
  for (let i = 0; i < count; i++) {
    const label = i % 4
    const [a, b] = [Math.sin(i * 12.9898) * 0.4, Math.sin(i * 78.233) * 0.4]
    x.set([(label & 1 ? 1 : -1) + a + shift, (label & 2 ? 1 : -1) + b], i * 2)
    y[i] = label
  }
  return { x: float32([count, 2], x), y: { dtype: 'int32', shape: [count], data: y } }
}

export async function drained(
  model: string | Uint8Array,
  options: FineTuneOptions,
): Promise<{ events: Record<string, unknown>[]; result: FineTuned }> {
  const events: Record<string, unknown>[] = []
  const run = fineTune(model, options)
  let next = await run.next()
  while (!next.done) {
    events.push(next.value as unknown as Record<string, unknown>)
    next = await run.next()
  }
  return { events, result: next.value as FineTuned }
}

export async function predictions(onnx: Uint8Array, x: Tensor): Promise<readonly number[]> {
  const session = await createNodeBackend().createSession(onnx)
  const [answer] = Object.values(await session.run({ x }))
  await session.release()
  const classes = answer!.shape[1]!
  const rows = answer!.data as Float32Array
  return Array.from({ length: x.shape[0]! }, (_, i) => {
    const row = rows.subarray(i * classes, (i + 1) * classes)
    return row.indexOf(Math.max(...row))
  })
}

/** The file of a network with one hidden layer, `dense` or of the given name, that tells the four clouds apart. */
export async function trainedOn(data: Clouds, name?: string): Promise<Uint8Array> {
  const model = sequential([
    dense({ units: 16, activation: 'tanh', ...(name && { name }) }),
    dense({ units: 4, activation: 'softmax' }),
  ])
  const run = fit(model, {
    ...data,
    loss: 'sparseCategoricalCrossentropy',
    epochs: 20,
    optimizer: { name: 'adam', learningRate: 0.02 },
  })
  let next = await run.next()
  while (!next.done) next = await run.next()
  return next.value.onnx
}

/** Two classes of the same points: whether the cloud lies right. */
export function sidesOf({ x, y }: Clouds): Clouds {
  return { x, y: { ...y, data: y.data.map((label) => label & 1) } }
}
