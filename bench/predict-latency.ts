/** What Quern adds to a run of ONNX Runtime for one image: measure-latency.ts does it. */
import type { BenchRecord } from './record.ts'

export const predictLatency: BenchRecord = {
  name: 'predict-latency',
  title: 'one image through the pipeline: what it adds to a bare run of ONNX Runtime',
  takes: '5 seconds',
  needs: [],
  builds: false,
  options: {
    runs: { default: 2000, summary: 'predictions of each kind, in turn' },
    pngRuns: { default: 500, summary: 'predictions from a PNG file, for information' },
  },
  run: async (context) => (await import('./measure-latency.ts')).measureLatency(context),
}
