import type { BenchRecord } from './record.ts'
import { rounded } from './statistics.ts'

/** before the first part */
const warmUpSeconds = 10
/** The allocator keeps what sessions gave back: without load, resident memory stands still after some thirty swaps. */
const warmUpSwaps = 40

export const serveSoak: BenchRecord = {
  name: 'serve-soak',
  title: 'growth of memory and handles under steady load, with a swap each minute',
  takes: '20 minutes',
  needs: [],
  builds: true,
  options: {
    minutes: { default: 20, summary: 'of load; the first fifth is the warm-up' },
    connections: { default: 16, summary: 'kept open through each of the 20 parts' },
    rate: { default: 0, summary: 'requests a second; 0: each connection asks again when it has its answer' },
  },
  async run(context) {
    const { inferBody: body, inferPath: path, runLoad, startBenchServer } = await import('./serve-process.ts')
    const slices = 20
    const seconds = (context.number('minutes') * 60) / slices
    const rate = context.number('rate')
    const target = { path, body, connections: context.number('connections') }
    const load = { ...target, seconds, ...(rate > 0 && { rate }) }
    const server = await startBenchServer({ units: [512, 512], workers: 2, maxRows: 32 })
    try {
      const samples: import('./serve-process.ts').MemoryReport[] = []
      let [answered, failed] = [0, 0]
      // As fast as it goes: what is remembered of the last requests is full, and the code compiled, however low the rate and short the run.
      await runLoad({ ...target, port: server.port, seconds: warmUpSeconds })
      for (let swap = 0; swap < warmUpSwaps; swap++) await server.ask('swap')
      for (let slice = 0; slice < slices; slice++) {
        const part = await runLoad({ ...load, port: server.port })
        for (const [status, { count }] of Object.entries(part.byStatus)) {
          if (status === '200') answered += count
          else failed += count
        }
        failed += part.failed
        await server.ask('swap')
        // Connections that were closed are forgotten by then.
        await new Promise((resolve) => setTimeout(resolve, 500))
        const sample = await server.ask<import('./serve-process.ts').MemoryReport>('memory')
        samples.push(sample)
        context.progress(
          `${slice + 1} of ${slices}: ${sample.rss.toFixed(0)} MB, heap ${sample.heap.toFixed(1)} MB, ${sample.handles} handles`,
        )
      }
      const warm = samples.slice(slices / 5)
      const [first, last] = [warm[0]!, warm.at(-1)!]
      const growth = last.rss / Math.max(...warm.slice(0, 4).map(({ rss }) => rss)) - 1
      return {
        metric: 'growth of resident memory after the warm-up',
        unit: '%',
        value: rounded(growth * 100),
        floor: 5,
        better: 'lower',
        holds: growth <= 0.05 && last.heap <= first.heap * 1.1 + 1 && last.handles <= first.handles && failed === 0,
        answered,
        failed,
        samples,
      }
    } finally {
      await server.close()
    }
  },
}
