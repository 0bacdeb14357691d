import type { BenchRecord } from './record.ts'
import { rounded } from './statistics.ts'

export const serveOverload: BenchRecord = {
  name: 'serve-overload',
  title: 'four times what the server can answer: deadlines, refusals, memory, recovery',
  takes: '45 seconds',
  needs: [],
  builds: true,
  options: {
    units: { default: 4096, summary: 'of each of two dense layers: the model, not HTTP, is what is short' },
    deadline: { default: 500, summary: 'ms that a request may take' },
    seconds: { default: 15, summary: 'of overload' },
  },
  async run(context) {
    const { inferBody: body, inferPath: path, runLoad, startBenchServer } = await import('./serve-process.ts')
    const deadline = context.number('deadline')
    // Without batches: they would lift the capacity until HTTP is what is short.
    const server = await startBenchServer({
      units: [context.number('units'), context.number('units')],
      workers: 2,
      maxRows: 1,
    })
    try {
      const headers = { 'x-timeout-ms': String(deadline) }
      const load = { port: server.port, path, body, headers }
      const capacity = await runLoad({ ...load, connections: 4, seconds: 5, warmUpSeconds: 1 })
      context.progress(`capacity ${capacity.throughput.toFixed(0)} requests a second`)
      const memoryOf = () => server.ask<import('./serve-process.ts').MemoryReport>('memory')
      const rate = capacity.throughput * 4
      await runLoad({ ...load, connections: 1000, rate, seconds: 4 })
      const before = await memoryOf()
      const over = await runLoad({
        ...load,
        connections: 1000,
        rate,
        seconds: context.number('seconds'),
        warmUpSeconds: 1,
      })
      // Recovered: what comes after two seconds at half load is answered, all of it, as fast as before.
      const after = await runLoad({
        ...load,
        connections: 64,
        rate: capacity.throughput / 2,
        seconds: 5,
        warmUpSeconds: 2,
      })
      const memory = { before, after: await memoryOf() }
      const { 200: accepted, ...refused } = over.byStatus
      const slowestRefusal = Math.max(0, ...Object.values(refused).map(({ p99 }) => p99))
      const recovered = Object.keys(after.byStatus).join() === '200' && after.failed === 0
      const growth = memory.after.rss - memory.before.rss
      const other = Object.keys(refused).filter((status) => status !== '429' && status !== '503')
      const isInTime = (accepted?.p99 ?? Infinity) <= deadline
      return {
        metric: 'refusals, 99th percentile',
        unit: 'ms',
        value: rounded(slowestRefusal),
        floor: 50,
        better: 'lower',
        holds: isInTime && slowestRefusal <= 50 && other.length === 0 && recovered && growth < 50 && over.failed === 0,
        capacity: rounded(capacity.throughput),
        goodput: rounded(over.throughput / capacity.throughput),
        deadline,
        over,
        after,
        recovered,
        memory,
      }
    } finally {
      await server.close()
    }
  },
}
