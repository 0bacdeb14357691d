/** The optimiser's kernel: Adam over as many parameters as the seed's CNN has, beside the same update in plain JavaScript. */
import type { BenchRecord } from './record.ts'
import { rounded, summary } from './statistics.ts'

/** Numbers of the CNN: 32 x 9 + 32, 5408 x 128 + 128, 128 x 10 + 10. */
const parameters = 693_962
/** Reads parameter, gradient and both averages, writes all but the gradient. */
const bytesEach = 7 * 4

/** Kingma & Ba's update with the bias corrections folded into the rate, as the kernel has it. */
function plainAdam(w: Float32Array, g: Float32Array, m: Float32Array, v: Float32Array, step: number): void {
  const rate = (0.001 * Math.sqrt(1 - 0.999 ** step)) / (1 - 0.9 ** step)
  for (let i = 0; i < w.length; i++) {
    const gradient = g[i]!
    m[i] = 0.9 * m[i]! + 0.1 * gradient
    v[i] = 0.999 * v[i]! + 0.001 * gradient * gradient
    w[i] = w[i]! - (rate * m[i]!) / (Math.sqrt(v[i]!) + 1e-7)
  }
}

export const kernelSpeed: BenchRecord = {
  name: 'kernels',
  title: 'one Adam update of 0.69 M parameters: SIMD kernel beside plain JavaScript',
  takes: '2 seconds',
  needs: [],
  builds: false,
  options: { runs: { default: 200, summary: 'updates of each side, in turn' } },
  async run({ number }) {
    const [{ adam }, { segmentsOf, trainingRegions }, { createArena, planLayout }, { createKernels }] =
      await Promise.all([
        import('../src/optim/index.ts'),
        import('../src/optim/segments.ts'),
        import('../src/runtime/arena.ts'),
        import('../src/runtime/kernels/kernels.ts'),
      ])
    const optimizer = adam({ learningRate: 0.001 })
    const layout = planLayout([{ name: 'w', dtype: 'float32', shape: [parameters] }])
    const arena = createArena({ regions: trainingRegions(layout, optimizer) })
    const kernels = createKernels(arena.memory)
    const [segment] = segmentsOf(arena, optimizer)
    const gradients = arena.region('gradients').view('w').data as Float32Array
    kernels.normal(segment!.gradients, parameters, { seed: 1, stream: 2, step: 3 }, 0, 0.01)
    const [w, m, v] = [new Float32Array(parameters), new Float32Array(parameters), new Float32Array(parameters)]
    const [ours, plain]: [number[], number[]] = [[], []]
    const warmUp = 10
    for (let run = 1; run <= number('runs') + warmUp; run++) {
      const start = performance.now()
      optimizer.update(kernels, segment!, { learningRate: 0.001, step: run, gradientScale: 1 })
      const middle = performance.now()
      plainAdam(w, gradients, m, v, run)
      const end = performance.now()
      if (run <= warmUp) continue
      ours.push(middle - start)
      plain.push(end - middle)
    }
    const [mine, other] = [summary(ours), summary(plain)]
    return {
      metric: 'Adam update',
      unit: 'ms',
      better: 'lower',
      value: mine.median,
      gigabytesPerSecond: rounded((parameters * bytesEach) / mine.median / 1e6),
      ours: mine,
      peer: other,
      ratio: rounded(other.median / mine.median),
      peerCommand: 'plainAdam of bench/kernels.ts',
      peerVersion: `node ${process.versions.node}`,
      rounds: number('runs'),
      parameters,
    }
  },
}
