import type { BenchRecord } from './record.ts'
import { rounded } from './statistics.ts'

/** ms that may be added to a bare run at the median and at the 99th percentile */
const limits = { p50: 0.5, p99: 3 }

export const serveOverhead: BenchRecord = {
  name: 'serve-overhead',
  title: 'an answer over HTTP at half load: what the server adds to a bare run of ONNX Runtime',
  takes: '30 seconds',
  needs: [],
  builds: true,
  options: {
    seconds: { default: 10, summary: 'at half of the capacity that was found before' },
    workers: { default: 2, summary: 'worker threads' },
  },
  async run(context) {
    const { inferBody: body, inferPath: path, runLoad, startBenchServer } = await import('./serve-process.ts')
    const workers = context.number('workers')
    const server = await startBenchServer({ units: [512, 512], workers, maxRows: 32, bareRuns: 3000 })
    try {
      const target = { port: server.port, path, body }
      const capacity = await runLoad({ ...target, connections: 32, seconds: 6, warmUpSeconds: 2 })
      context.progress(`capacity ${capacity.throughput.toFixed(0)} requests a second`)
      const rate = capacity.throughput / 2
      const seconds = context.number('seconds') + 2
      const half = await runLoad({ ...target, connections: 64, rate, seconds, warmUpSeconds: 2 })
      const single = await runLoad({ ...target, connections: 1, seconds: 4, warmUpSeconds: 1 })
      const times = half.byStatus['200']!
      const added = { p50: rounded(times.p50 - server.bare.p50), p99: rounded(times.p99 - server.bare.p99) }
      return {
        metric: 'added to a bare run at half load, median',
        unit: 'ms',
        value: added.p50,
        floor: limits.p50,
        better: 'lower',
        holds: added.p50 <= limits.p50 && added.p99 <= limits.p99 && half.failed === 0,
        added,
        bare: server.bare,
        halfLoad: half,
        capacity: rounded(capacity.throughput),
        oneConnection: single.byStatus['200'],
        workers,
        peerCommand: 'session.run of one example in one thread, tensor made beforehand',
      }
    } finally {
      await server.close()
    }
  },
}
