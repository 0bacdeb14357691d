/**
 * Tells sounds apart from 5 recordings of each, of one speaker, tested on another: a head on openWakeWord's frozen embedding, beside the same network and
 * head trained from random weights on the same recordings.
 *
 *     node --import ./scripts/typescript.mjs examples/transfer/keywords.ts [epochs] [classes] [test clips of a class]
 */
import { pathToFileURL } from 'node:url'
import { fineTune } from 'quern/nn'
import { accuracy } from './score-classes.ts'
import { embedding, melFeatures, readClips, vary } from './syllables.ts'
import { untrained } from './untrained.ts'

export interface KeywordOptions {
  /** recordings of a class to train on */
  readonly clips: number
  readonly classes: number
  /** unseen recordings of a class, of the other speaker */
  readonly test: number
  readonly seed: number
  readonly epochs: number
  /** epochs of the network that starts from nothing */
  readonly scratchEpochs: number
  readonly say: (message: string) => void
}

export interface KeywordScores {
  readonly tuned: number
  readonly scratch: number
  readonly labels: readonly string[]
  readonly tested: number
  readonly rates: { readonly tuned: number; readonly scratch: number }
}

/** Learning rates that are tried: the one with the best accuracy on other recordings of the training speaker is taken, for both sides. */
const rates = { tuned: [0.003, 0.01, 0.03], scratch: [0.0003, 0.001, 0.003] }

export async function spotKeywords(options: KeywordOptions): Promise<KeywordScores> {
  const { clips, classes, test, seed, epochs, scratchEpochs, say } = options
  const read = await readClips({ train: clips, validation: 10, test, classes, seed })
  say(`classes ${read.labels.join(' ')}: ${read.train.length} clips to train on, ${read.test.length} to test`)
  const varied = await melFeatures(vary(read.train, 8, seed), seed)
  const validation = await melFeatures(read.validation, seed)
  const unseen = await melFeatures(read.test, seed)
  const file = await embedding()

  const train = async (bytes: Uint8Array, learningRate: number, isScratch: boolean) => {
    const run = fineTune(bytes, {
      x: varied.mel,
      y: { dtype: 'int32', shape: [varied.labels.length], data: varied.labels },
      units: classes,
      train: isScratch ? 'all' : 'none',
      optimizer: { name: 'adamw', learningRate, weightDecay: 0.05 },
      schedule: 'cosine',
      epochs: isScratch ? scratchEpochs : epochs,
      batchSize: 40,
      monitor: 'latest',
      seed,
    })
    let next = await run.next()
    while (!next.done) next = await run.next()
    return next.value.onnx
  }
  const best = async (name: 'tuned' | 'scratch', bytes: Uint8Array) => {
    let found = { rate: 0, validation: -1, test: 0 }
    for (const rate of rates[name]) {
      const onnx = await train(bytes, rate, name === 'scratch')
      const score = await accuracy(onnx, validation.mel, validation.labels)
      say(`${name}, learning rate ${rate}: ${percent(score)} of other clips of the same speaker`)
      if (score > found.validation) {
        found = { rate, validation: score, test: await accuracy(onnx, unseen.mel, unseen.labels) }
      }
    }
    return found
  }
  const tuned = await best('tuned', file)
  const scratch = await best('scratch', await untrained(file, seed))
  return {
    ...{ tuned: tuned.test, scratch: scratch.test, labels: read.labels, tested: read.test.length },
    rates: { tuned: tuned.rate, scratch: scratch.rate },
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [epochs = 30, classes = 10, test = 30] = process.argv.slice(2).map(Number)
  const scratchEpochs = Math.max(1, Math.round(epochs / 3))
  const say = (message: string): void => console.log(message)
  const { tuned, scratch, tested } = await spotKeywords({
    clips: 5,
    classes,
    test,
    seed: 1,
    epochs,
    scratchEpochs,
    say,
  })
  console.log(
    `${tested} clips of another speaker: ${percent(tuned)} with the embedding, ${percent(scratch)} from scratch`,
  )
}
