import type { LoadResult } from './programs/serve-load.ts'
import type { PeerServer } from './python-servers.ts'
import type { BenchRecord } from './record.ts'
import { rounded } from './statistics.ts'

/** Loads that are tried on both sides: connections that ask without pause. */
const steps = [1, 2, 4, 8, 16, 32, 64] as const

interface Point {
  readonly connections: number
  readonly throughput: number
  readonly p99: number
}

interface Comparison {
  readonly version: string
  readonly ratio: number
  readonly peerBest: Point
  readonly points: { readonly ours: readonly Point[]; readonly peer: readonly Point[] }
}

export const servePeer: BenchRecord = {
  name: 'serve-peer',
  title:
    'requests a second at equal p99 beside FastAPI and BentoML with onnxruntime and two workers: the same ONNX model, the same requests',
  takes: '3 minutes',
  needs: [],
  builds: true,
  options: {
    units: { default: 512, summary: 'of each of two dense layers' },
    seconds: { default: 2, summary: 'at each number of connections, on each side' },
  },
  async run(context) {
    const { inferBody: body, inferPath: path, runLoad, startBenchServer } = await import('./serve-process.ts')
    const { startBentoMl, startFastApi } = await import('./python-servers.ts')
    const modelFile = `${context.folder}/model.onnx`
    const units = [context.number('units'), context.number('units')]
    const seconds = context.number('seconds') + 0.5
    const ours = await startBenchServer({ units, workers: 2, maxRows: 32, modelFile })
    /** Ours and a peer at each load in turn, so that a slow minute of the machine is one of both. */
    const beside = async (name: string, peer: PeerServer): Promise<Comparison> => {
      const points: { ours: Point[]; peer: Point[] } = { ours: [], peer: [] }
      try {
        for (const connections of steps) {
          for (const [side, { port }] of [
            ['ours', ours],
            ['peer', peer],
          ] as const) {
            const found = await runLoad({ port, path, body, connections, seconds, warmUpSeconds: 0.5 })
            points[side].push(pointOf(connections, found))
            const who = side === 'ours' ? 'ours' : name
            context.progress(`${who}, ${connections} connections: ${found.throughput.toFixed(0)} requests a second`)
          }
        }
      } finally {
        await peer.close()
      }
      const best = points.peer.reduce((a, b) => (b.throughput > a.throughput ? b : a))
      const within = points.ours.filter(({ p99 }) => p99 <= best.p99)
      const most = Math.max(0, ...within.map(({ throughput }) => throughput))
      return { version: peer.version, ratio: rounded(most / best.throughput), peerBest: best, points }
    }
    try {
      const fastapi = await beside('FastAPI', await startFastApi(modelFile, context.progress))
      const bentoml = await beside('BentoML', await startBentoMl(modelFile, context.folder, context.progress))
      return {
        metric: "requests a second within the p99 of the peer's best load, times as many: the smaller of both peers",
        value: Math.min(fastapi.ratio, bentoml.ratio),
        floor: 2,
        fastapi,
        bentoml,
        peerCommand:
          'bench/peers/fastapi_server.py (uvicorn) and bench/peers/bentoml_service.py (adaptive batches), 2 workers, one thread each',
        peerVersion: `${fastapi.version}, ${bentoml.version}`,
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
