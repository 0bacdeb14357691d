import type { LoadOptions, Times } from './programs/serve-load.ts'
import type { BenchRecord } from './record.ts'
import { rounded, summary } from './statistics.ts'

/** ms that may be added to a bare run at the median and at the 99th percentile */
const limits = { p50: 0.5, p99: 3 }

type Pair = Pick<Times, 'p50' | 'p99'>

export const serveOverhead: BenchRecord = {
  name: 'serve-overhead',
  title: 'an answer over HTTP at half load: what the server adds to a bare run of ONNX Runtime',
  takes: '1 minute',
  needs: [],
  builds: true,
  options: {
    rounds: { default: 3, summary: 'of bare runs, the server and HTTP alone, in turn' },
    seconds: { default: 5, summary: 'of each, at half of the capacity that was found before' },
    workers: { default: 2, summary: 'worker threads' },
  },
  async run(context) {
    const {
      inferBody: body,
      inferPath: path,
      runBare,
      runLoad,
      startBenchServer,
      startEchoServer,
    } = await import('./serve-process.ts')
    const workers = context.number('workers')
    const modelFile = `${context.folder}/model.onnx`
    const server = await startBenchServer({ units: [512, 512], workers, maxRows: 32, modelFile })
    const echo = await startEchoServer()
    try {
      const target = { port: server.port, path, body }
      const capacity = await runLoad({ ...target, connections: 32, seconds: 6, warmUpSeconds: 2 })
      context.progress(`capacity ${capacity.throughput.toFixed(0)} requests a second`)
      const seconds = context.number('seconds') + 1
      const half = { connections: 64, rate: capacity.throughput / 2, isExact: true, seconds, warmUpSeconds: 1 }
      const at = async (load: LoadOptions): Promise<Times> => {
        const { byStatus, failed } = await runLoad(load)
        if (failed > 0 || Object.keys(byStatus).join() !== '200') throw new Error(`${failed} requests failed`)
        return byStatus['200']!
      }
      // The loops of 32 that ask without pause have taught V8's compiler large batches; here most are of one or two.
      await runLoad({ ...target, ...half })
      const found: { bare: Pair[]; served: Times[]; http: Times[] } = { bare: [], served: [], http: [] }
      for (let round = 0; round < context.number('rounds'); round++) {
        found.bare.push(await runBare(modelFile))
        found.served.push(await at({ ...target, ...half }))
        found.http.push(await at({ ...target, port: echo.port, ...half }))
        const [bare, served, http] = [found.bare, found.served, found.http].map((list) => list.at(-1)!)
        context.progress(`bare ${text(bare!)}, served ${text(served!)}, HTTP alone ${text(http!)}`)
      }
      const single = await runLoad({ ...target, connections: 1, seconds: 3, warmUpSeconds: 1 })
      const [bare, served, http] = [middle(found.bare), middle(found.served), middle(found.http)]
      const added = { p50: rounded(served.p50 - bare.p50), p99: rounded(served.p99 - bare.p99) }
      return {
        metric: 'added to a bare run at half load, median',
        unit: 'ms',
        value: added.p50,
        floor: limits.p50,
        better: 'lower',
        holds: added.p50 <= limits.p50 && added.p99 <= limits.p99,
        added,
        bare,
        served,
        httpAlone: http,
        rounds: found,
        rate: rounded(half.rate),
        oneConnection: single.byStatus['200'],
        workers,
        peerCommand:
          'session.run of one example in one thread of another process, tensor made beforehand, without pause',
      }
    } finally {
      await Promise.all([server.close(), echo.close()])
    }
  },
}

/** Medians over rounds. */
function middle(rounds: readonly Pair[]): Pair {
  return { p50: summary(rounds.map(({ p50 }) => p50)).median, p99: summary(rounds.map(({ p99 }) => p99)).median }
}

const text = ({ p50, p99 }: Pair): string => `${p50.toFixed(3)} / ${p99.toFixed(3)} ms`
