/** Trains on MNIST the way `quern train` does: the same action, real services, a project in a temporary folder. */
import { resolveProject } from '../src/actions/project.ts'
import { type TrainProgress, trainModel } from '../src/actions/train.ts'
import { createServices } from '../src/cli/services.ts'
import { mnistSource } from './mnist.ts'
import type { BenchContext, Figure } from './record.ts'
import { mean, rounded } from './statistics.ts'

export interface MnistTraining {
  /** sections of the configuration: model, train, augment */
  readonly config: Readonly<Record<string, unknown>>
  readonly seeds: number
  /** 0: all */
  readonly examples: number
  /** scores on the validation split alone; the test files are not read */
  readonly validationOnly?: boolean
}

/** One trained model. */
interface Trained {
  readonly seed: number
  readonly validation: number
  readonly test: number | undefined
  readonly epochs: number
  readonly bestEpoch: number
  /** of training, without the evaluation and the report at the end */
  readonly seconds: number
  readonly stepsPerSecond: number
}

/** Accuracy of the exported models, mean over the seeds, which count from 0. */
export async function trainMnist(context: BenchContext, options: MnistTraining): Promise<Figure> {
  const { config, seeds, examples, validationOnly = false } = options
  const source = await mnistSource(context.folder, { examples, test: !validationOnly })
  const runs: Trained[] = []
  for (let seed = 0; seed < seeds; seed++) {
    const data = { source, split: { validation: 0.1 } }
    const raw = { task: 'image-classification', name: `mnist-${seed}`, seed, data, ...config }
    runs.push(await trainOne(context, raw, seed))
  }
  const values = runs.map(({ test, validation }) => (validationOnly ? validation : test!))
  return {
    metric: validationOnly ? 'validation accuracy' : 'test accuracy',
    value: rounded(mean(values)),
    protocol: protocolOf(options),
    config,
    runs,
  }
}

/** How the value came about, in words. */
function protocolOf({ seeds, examples, validationOnly }: MnistTraining): string {
  return [
    `${examples === 0 ? '60,000' : examples} training images, a tenth of them for validation`,
    seeds === 1 ? 'one seed' : `mean of ${seeds} seeds`,
    'parameters of the epoch that validation likes best',
    validationOnly ? 'no test image was read' : 'the test images are scored once, after training',
  ].join('; ')
}

async function trainOne(context: BenchContext, raw: object, seed: number): Promise<Trained> {
  const { folder: root, progress } = context
  const log = { info: progress, warn: progress }
  const running = trainModel(
    createServices({ root, cwd: root, log }),
    resolveProject(raw, { root, what: 'the benchmark' }),
  )
  let done: Extract<TrainProgress, { type: 'done' }> | undefined
  for (;;) {
    const next = await running.next()
    if (next.done) {
      const { validation, test } = next.value.scores
      const { epochs, bestEpoch, seconds, stepsPerSecond } = done!
      const times = { seconds: rounded(seconds), stepsPerSecond: rounded(stepsPerSecond) }
      return { seed, validation: validation!.accuracy!, test: test?.accuracy, epochs, bestEpoch, ...times }
    }
    const event = next.value
    if (event.type === 'done') done = event
    if (event.type !== 'epoch') continue
    const accuracy = event.validation?.accuracy?.toFixed(4)
    const loss = event.train.loss?.toFixed(4)
    progress(
      `seed ${seed}, epoch ${event.epoch}: loss ${loss}, validation accuracy ${accuracy}, ${event.seconds.toFixed(1)} s`,
    )
  }
}
