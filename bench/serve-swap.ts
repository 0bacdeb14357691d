import type { BenchRecord } from './record.ts'

export const serveSwap: BenchRecord = {
  name: 'serve-swap',
  title: 'requests that fail while the model is replaced ten times under load',
  takes: '15 seconds',
  needs: [],
  builds: true,
  options: {
    swaps: { default: 10, summary: 'one a second' },
    connections: { default: 16, summary: 'that ask without pause' },
  },
  async run(context) {
    const { inferBody: body, inferPath: path, runLoad, startBenchServer } = await import('./serve-process.ts')
    const swaps = context.number('swaps')
    const server = await startBenchServer({ units: [512, 512], workers: 2, maxRows: 32 })
    try {
      const connections = context.number('connections')
      const running = runLoad({ port: server.port, path, body, connections, seconds: swaps + 2 })
      for (let swap = 0; swap < swaps; swap++) {
        await new Promise((resolve) => setTimeout(resolve, 1000))
        await server.ask('swap')
      }
      const load = await running
      const bad = Object.entries(load.byStatus).filter(([status]) => status !== '200')
      const value = load.failed + bad.reduce((sum, [, { count }]) => sum + count, 0)
      return { metric: 'failed requests', value, floor: 0, better: 'lower', swaps, answers: load }
    } finally {
      await server.close()
    }
  },
}
