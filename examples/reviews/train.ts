/**
 * Tells whether somebody who reviews a food gave all stars, from a few hundred labelled texts: a small encoder of sentences in Hugging Face's layout, of which a
 * new head, a head and LoRA, or everything is trained. Beside them what needs no training: the commonest answer, counted words, and the untouched encoder.
 *
 *     node --import ./scripts/typescript.mjs examples/reviews/train.ts [reviews to train on] [epochs] [reviews to test]
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createNodeBackend } from 'quern/engine'
import { createTokenizer, type FineTuneOptions, fineTune, lora, tensor } from 'quern/nn'
import { countedWords, nearestMean } from './baselines.ts'
import { classes, readReviews } from './reviews.ts'
import { sentence, writeEncoder } from './write-encoder.ts'

/** tokens of a text: two thirds of the reviews are no longer, the others lose their ends */
const tokens = 64

type Way = 'head' | 'lora' | 'full'

/**
 * Rates were chosen of three each by other reviews of the training part. The head sees features that are computed once, so its epochs cost next to nothing.
 */
const ways: Readonly<Record<Way, (epochs: number) => Partial<FineTuneOptions>>> = {
  head: (epochs) => ({ epochs: 10 * epochs, optimizer: { name: 'adamw', learningRate: 1e-2 } }),
  lora: (epochs) => ({
    epochs,
    adapter: lora({ rank: 8, alpha: 16, targets: ['query', 'value'] }),
    optimizer: { name: 'adamw', learningRate: 5e-3 },
  }),
  full: (epochs) => ({ epochs, train: 'all', optimizer: { name: 'adamw', learningRate: 1e-4 } }),
}

export interface ReviewOptions {
  /** where the encoder's folder is written */
  readonly folder: string
  readonly train: number
  readonly epochs: number
  readonly test: number
  readonly seed: number
  readonly say: (message: string) => void
}

/** Share of the unseen reviews whose class was told. */
export type ReviewScores = Readonly<Record<'commonest' | 'words' | 'untouched' | Way, number>>

export async function teachReviews(options: ReviewOptions): Promise<ReviewScores> {
  const { folder, epochs, seed, say } = options
  await writeEncoder(folder)
  const { train, test } = await readReviews(options, seed)
  say(
    `${train.texts.length} reviews to train on, a fifth of them to choose the epoch by; ${test.texts.length} of other products to test`,
  )
  const score = (name: string, answers: Int32Array) => {
    const share = answers.filter((label, i) => label === test.labels[i]).length / answers.length
    say(`${name}: ${(100 * share).toFixed(1)} %`)
    return share
  }
  const commonest = score(`always '${classes[0]}'`, new Int32Array(test.texts.length))
  const words = score('counted words', countedWords(train, test.texts))
  const untouched = score('untouched encoder', await nearestMean(folder, train, { texts: test.texts, tokens }))
  const teach = async (way: Way) => {
    const onnx = await taught(way)
    return score(way, await answersOf(onnx, folder, test.texts))
  }
  const taught = async (way: Way): Promise<Uint8Array> => {
    const run = fineTune(folder, {
      x: train.texts,
      y: tensor('int32', [train.labels.length], train.labels),
      ...{ tokens, output: sentence, units: classes.length },
      ...{ schedule: 'cosine', clipNorm: 1, batchSize: 16, validationSplit: 0.2, seed },
      ...ways[way](epochs),
    })
    let next = await run.next()
    for (; !next.done; next = await run.next()) {
      const { value: event } = next
      if (event.type !== 'epoch' || way === 'head') continue
      say(
        `${way}: epoch ${event.epoch}  loss ${event.train.loss!.toFixed(3)}  on the fifth ${event.validation!.loss!.toFixed(3)}`,
      )
    }
    const { onnx, parameters } = next.value
    const trained = [...parameters.values()].reduce((sum, { data }) => sum + data.length, 0)
    say(`${way}: ${trained.toLocaleString('en')} parameters trained`)
    return onnx
  }
  const [head, adapted, full] = [await teach('head'), await teach('lora'), await teach('full')]
  return { commonest, words, untouched, head, lora: adapted, full }
}

/** What the exported model answers, asked as anyone would: texts become tokens, tokens probabilities `[texts, classes]`. */
async function answersOf(onnx: Uint8Array, folder: string, texts: readonly string[]): Promise<Int32Array> {
  const session = await createNodeBackend().createSession(onnx)
  const tokenizer = createTokenizer(await readFile(join(folder, 'tokenizer.json')))
  const answers = new Int32Array(texts.length)
  for (let at = 0; at < texts.length; at += 50) {
    const { input_ids, attention_mask } = tokenizer.encode(texts.slice(at, at + 50), { length: tokens })
    const [scores] = Object.values(await session.run({ input_ids, attention_mask }))
    const [rows, size] = scores!.shape as [number, number]
    for (let i = 0; i < rows; i++) {
      const row = (scores!.data as Float32Array).subarray(i * size, (i + 1) * size)
      answers[at + i] = row.indexOf(Math.max(...row))
    }
  }
  await session.release()
  return answers
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [train = 600, epochs = 2, test = 500] = process.argv.slice(2).map(Number)
  const folder = join(import.meta.dirname, 'encoder')
  await teachReviews({ folder, train, epochs, test, seed: 1, say: (message) => console.log(message) })
}
