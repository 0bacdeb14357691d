/**
 * What a server is measured against: the runtime alone, one example after the other in one thread, with its tensor made beforehand. A process of its own: in the server's it would leave garbage, and teach
 * V8's compiler another session than the one that answers.
 *
 * usage: serve-bare MODEL.onnx; prints JSON, ms
 */
import { readFileSync } from 'node:fs'
import { createNodeBackend } from '../../src/runtime/onnxruntime-node.ts'

const runs = 3000
const warmUp = 100
const session = await createNodeBackend().createSession(readFileSync(process.argv[2]!), { threads: 1 })
const feeds = { pixels: { dtype: 'uint8' as const, shape: [1, 1, 8, 8], data: new Uint8Array(64).fill(3) } }
const times: number[] = []
for (let run = -warmUp; run < runs; run++) {
  const start = performance.now()
  await session.run(feeds)
  if (run >= 0) times.push(performance.now() - start)
}
await session.release()
times.sort((a, b) => a - b)
console.log(JSON.stringify({ p50: times[runs >> 1]!, p99: times[Math.floor(runs * 0.99)]! }))
