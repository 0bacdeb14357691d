/**
 * What Quern adds to a run of ONNX Runtime for one image: the same model, process and picture, in turn. With one thread each:
 * the idle threads of one session would disturb the other, and a model of this size gains nothing by a second.
 */
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { createPipeline } from '../src/bundle/index.ts'
import { exampleData } from '../src/data/dataset.ts'
import { createPictureDecoder } from '../src/data/picture-decoder.ts'
import { loadPictures } from '../src/data/picture-source.ts'
import { profileImages } from '../src/data/profile.ts'
import { encodePng } from '../src/data/sharp-encoder.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { mnistSource } from './mnist.ts'
import type { BenchContext, Figure } from './record.ts'
import { untrainedCnn } from './sample-model.ts'
import { percentile, rounded } from './statistics.ts'

const warmUp = 200
/** ms: at the median and at the 99th percentile */
const limit = 0.3

interface Latency {
  readonly p50: number
  readonly p99: number
}

const latency = (times: readonly number[]): Latency => ({
  p50: rounded(percentile(times, 0.5)),
  p99: rounded(percentile(times, 0.99)),
})

/** Times of each call in ms, all of them in turn; the warm-up is not counted. */
async function timed<K extends string>(
  calls: Readonly<Record<K, () => Promise<unknown>>>,
  runs: number,
): Promise<Record<K, number[]>> {
  const names = Object.keys(calls) as K[]
  const times = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<K, number[]>
  for (let run = -warmUp; run < runs; run++) {
    for (const name of names) {
      const start = performance.now()
      await calls[name]()
      if (run >= 0) times[name].push(performance.now() - start)
    }
  }
  return times
}

/** Medians and 99th percentiles of bare runs, `infer` and `predict`. */
export async function measureLatency(context: BenchContext): Promise<Figure> {
  const { splits, form, report } = await loadPictures(await mnistSource(context.folder, { examples: 60, test: false }))
  const train = splits!.train!
  const bundle = await untrainedCnn({
    splits: { train },
    labels: train.labels,
    report,
    preprocessing: { kind: 'image', ...form },
    profile: () => profileImages({ splits: { train } }),
  })
  const images = await createPictureDecoder()
  const pipeline = await createPipeline(bundle, { backend: createNodeBackend(), images, session: { threads: 1 } })
  const bare = await InferenceSession.create(bundle.model, {
    intraOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    extra: { session: { set_denormal_as_zero: '1' } },
  })
  const picture = exampleData(train, 'image', 0)
  const input = bundle.manifest.inputs[0]!.name
  const row = { ...picture, shape: [1, ...picture.shape] }
  const feeds = { [input]: new OrtTensor('uint8', row.data as Uint8Array, row.shape) }
  const png = await encodePng(picture)
  const runs = context.number('runs')
  const times = await timed(
    {
      bare: () => bare.run(feeds),
      infer: () => pipeline.infer({ [input]: row }),
      predict: () => pipeline.predict(picture),
    },
    runs,
  )
  const files = await timed({ png: () => pipeline.predict(png) }, context.number('pngRuns'))
  await pipeline.release()
  await bare.release()
  const [plain, infer, predict] = [latency(times.bare), latency(times.infer), latency(times.predict)]
  const added = { p50: rounded(predict.p50 - plain.p50), p99: rounded(predict.p99 - plain.p99) }
  return {
    metric: 'added to a bare run by predict, median',
    unit: 'ms',
    value: added.p50,
    floor: limit,
    better: 'lower',
    holds: added.p50 <= limit && added.p99 <= limit,
    added,
    bare: plain,
    infer,
    predict,
    /** for information: decoding is sharp's work, in threads of its own */
    predictPng: latency(files.png),
    peerCommand: 'InferenceSession.run of onnxruntime-node, tensor made beforehand',
    rounds: runs,
    threads: 1,
  }
}
