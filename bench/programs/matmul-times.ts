/** Best milliseconds of the runtime's own MatMul for each shape. usage: matmul-times FILE THREADS; FILE is JSON, [[batch, m, k, n], ...]; prints JSON. */
import { readFileSync } from 'node:fs'
import { createRandom } from '../../src/core/random.ts'
import { float32, type Tensor } from '../../src/core/tensor.ts'
import { GraphBuilder } from '../../src/graph/builder.ts'
import { writeModel } from '../../src/onnx/write.ts'
import { Emitter } from '../../src/ops/emitter.ts'
import { table } from '../../src/ops/index.ts'
import { createNodeBackend } from '../../src/runtime/onnxruntime-node.ts'

const [file = '', threads = '2'] = process.argv.slice(2)
/** Runs of a product: at least so many, and for at least so long. */
const least = { runs: 20, milliseconds: 150 }
const backend = createNodeBackend()
const random = createRandom(1)

/** In memory of its own, as the parameters and activations of a step are. */
function filled(shape: readonly number[]): Tensor {
  const data = new Float32Array(shape.reduce((x, y) => x * y, 1))
  for (let i = 0; i < data.length; i++) data[i] = random.uniform() - 0.5
  return float32([...shape], data)
}

async function bestTime([batch, m, k, n]: readonly [number, number, number, number]): Promise<number> {
  const front = batch === 1 ? [] : [batch]
  const [a, b, c] = [filled([...front, m, k]), filled([...front, k, n]), filled([...front, m, n])]
  const g = new Emitter(table, new GraphBuilder('product'))
  const inputs = [a, b].map(({ shape }, i) => g.builder.input('ab'[i]!, { dtype: 'float32', shape }))
  const product = g.op('MatMul', inputs)
  const session = await backend.createSession(writeModel(g.builder.finish([product])).model, {
    threads: Number(threads),
  })
  const bound = session.bind({ a, b }, { [product.name]: c })
  let best = Infinity
  for (let run = 0, spent = 0; run < least.runs || spent < least.milliseconds; run++) {
    const start = performance.now()
    await bound.run()
    const time = performance.now() - start
    best = Math.min(best, time)
    spent += time
  }
  await session.release()
  return best
}

const times: number[] = []
for (const product of JSON.parse(readFileSync(file, 'utf8')) as [number, number, number, number][]) {
  times.push(await bestTime(product))
}
console.log(JSON.stringify(times))
