import type { LoadResult } from './programs/serve-load.ts'
import type { BenchRecord } from './record.ts'
import { rounded } from './statistics.ts'

/** Loads that are tried on both sides: connections that ask without pause. */
const steps = [1, 2, 4, 8, 16, 32, 64] as const

interface Point {
  readonly connections: number
  readonly throughput: number
  readonly p99: number
}

export const servePeer: BenchRecord = {
  name: 'serve-peer',
  title:
    'requests a second at equal p99 beside FastAPI with onnxruntime and two workers: the same ONNX model, the same requests',
  takes: '2 minutes',
  needs: [],
  builds: true,
  options: {
    units: { default: 512, summary: 'of each of two dense layers' },
    seconds: { default: 3, summary: 'at each number of connections, on each side' },
  },
  async run(context) {
    const { inferBody: body, inferPath: path, runLoad, startBenchServer } = await import('./serve-process.ts')
    const { startFastApi } = await import('./fastapi-server.ts')
    const modelFile = `${context.folder}/model.onnx`
    const units = [context.number('units'), context.number('units')]
    const ours = await startBenchServer({ units, workers: 2, maxRows: 32, modelFile })
    try {
      const peer = await startFastApi(modelFile, context.progress)
      try {
        const points: { ours: Point[]; peer: Point[] } = { ours: [], peer: [] }
        const seconds = context.number('seconds') + 0.5
        for (const connections of steps) {
          // In turn, so that a slow minute of the machine is one of both.
          for (const [name, { port }] of [
            ['ours', ours],
            ['peer', peer],
          ] as const) {
            const found = await runLoad({ port, path, body, connections, seconds, warmUpSeconds: 0.5 })
            points[name].push(pointOf(connections, found))
            context.progress(`${name}, ${connections} connections: ${found.throughput.toFixed(0)} requests a second`)
          }
        }
        const best = points.peer.reduce((a, b) => (b.throughput > a.throughput ? b : a))
        const within = points.ours.filter(({ p99 }) => p99 <= best.p99)
        const most = Math.max(0, ...within.map(({ throughput }) => throughput))
        return {
          metric: "requests a second within the p99 of the peer's best load, times as many",
          value: rounded(most / best.throughput),
          floor: 2,
          peerBest: best,
          points,
          peerCommand: 'bench/peers/fastapi_server.py, uvicorn, 2 workers, one thread each',
          peerVersion: peer.version,
        }
      } finally {
        await peer.close()
      }
    } finally {
      await ours.close()
    }
  },
}

function pointOf(connections: number, { byStatus, failed, throughput }: LoadResult): Point {
  const others = Object.keys(byStatus).filter((status) => status !== '200')
  if (failed > 0 || others.length > 0) throw new Error(`requests failed: ${failed} broken, statuses ${others.join()}`)
  return { connections, throughput: rounded(throughput), p99: rounded(byStatus['200']!.p99) }
}
