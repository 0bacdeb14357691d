import type { BenchRecord } from './record.ts'
import { rounded, summary } from './statistics.ts'

export const serveBatching: BenchRecord = {
  name: 'serve-batching',
  title: 'requests a second of a small MLP with micro-batches, over without',
  takes: '1 minute',
  needs: [],
  builds: true,
  options: {
    units: { default: 1024, summary: 'of each of two dense layers' },
    connections: { default: 64, summary: 'that ask without pause' },
    rounds: { default: 3, summary: 'of both, in turn' },
    seconds: { default: 4, summary: 'of each' },
  },
  async run(context) {
    const { inferBody: body, inferPath: path, runLoad, startBenchServer } = await import('./serve-process.ts')
    const units = [context.number('units'), context.number('units')]
    const [batched, single] = [
      await startBenchServer({ units, workers: 2, maxRows: 64 }),
      await startBenchServer({ units, workers: 2, maxRows: 1 }),
    ]
    const throughput = { batched: [] as number[], single: [] as number[] }
    try {
      const load = { path, body, connections: context.number('connections') }
      const seconds = context.number('seconds') + 1
      for (let round = 0; round < context.number('rounds'); round++) {
        for (const [name, { port }] of [
          ['batched', batched],
          ['single', single],
        ] as const) {
          const { throughput: found, failed } = await runLoad({ ...load, port, seconds, warmUpSeconds: 1 })
          if (failed > 0) throw new Error(`${failed} requests failed`)
          throughput[name].push(found)
          context.progress(`${name}: ${found.toFixed(0)} requests a second`)
        }
      }
    } finally {
      await Promise.all([batched.close(), single.close()])
    }
    const [ours, without] = [summary(throughput.batched), summary(throughput.single)]
    const value = rounded(ours.median / without.median)
    return { metric: 'throughput with micro-batches over without', value, floor: 2, ours, without, units }
  },
}
