import { createNodeBackend } from 'quern/engine'
import { type Tensor, tensor } from 'quern/nn'

/** Share of the examples whose class the model says. */
export async function accuracy(onnx: Uint8Array, x: Tensor<Float32Array>, labels: Int32Array): Promise<number> {
  const session = await createNodeBackend().createSession(onnx)
  const size = x.data.length / labels.length
  let right = 0
  for (let start = 0; start < labels.length; start += 50) {
    const part = labels.subarray(start, start + 50)
    const data = x.data.slice(start * size, (start + part.length) * size)
    const { y } = await session.run({ x: tensor('float32', [part.length, ...x.shape.slice(1)], data) })
    const scores = y!.data as Float32Array
    const classes = scores.length / part.length
    for (const [i, label] of part.entries()) {
      const row = scores.subarray(i * classes, (i + 1) * classes)
      if (row.indexOf(Math.max(...row)) === label) right++
    }
  }
  await session.release()
  return right / labels.length
}
