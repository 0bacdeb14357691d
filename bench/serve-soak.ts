import type { BenchRecord } from './record.ts'
import { rounded } from './statistics.ts'

export const serveSoak: BenchRecord = {
  name: 'serve-soak',
  title: 'growth of memory and handles under steady load, with a swap each minute',
  takes: '20 minutes',
  needs: [],
  builds: true,
  options: { minutes: { default: 20, summary: 'of load; the first fifth is the warm-up' } },
  async run(context) {
    const { inferBody: body, inferPath: path, runLoad, startBenchServer } = await import('./serve-process.ts')
    const seconds = context.number('minutes') * 60
    const server = await startBenchServer({ units: [512, 512], workers: 2, maxRows: 32 })
    try {
      const slices = 20
      const samples: import('./serve-process.ts').MemoryReport[] = []
      let failed = 0
      for (let slice = 0; slice < slices; slice++) {
        const load = await runLoad({ port: server.port, path, body, connections: 16, seconds: seconds / slices })
        failed +=
          load.failed +
          Object.entries(load.byStatus).reduce((sum, [status, { count }]) => sum + (status === '200' ? 0 : count), 0)
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
        failed,
        samples,
      }
    } finally {
      await server.close()
    }
  },
}
