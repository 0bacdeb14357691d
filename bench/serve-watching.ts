/** What metrics, drift, labels, logs and traces add to a request, without sockets and models: they are functions over what a request leaves behind. */
import type { BenchRecord } from './record.ts'

export const serveWatching: BenchRecord = {
  name: 'serve-watching',
  title: 'what watching adds to a request: metrics, drift, answers kept for labels, a line of JSON, traces',
  takes: '10 seconds',
  needs: [],
  builds: false,
  options: {
    requests: { default: 20_000, summary: 'of each kind, in turns of a thousand' },
    columns: { default: 30, summary: 'of numbers, in a row of a table' },
  },
  run: async (context) => (await import('./measure-watching.ts')).measureWatching(context),
}
