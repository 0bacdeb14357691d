/** The examples of transfer learning on real backbones, with less of everything; their data comes from packages. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { writeEncoder } from '../examples/reviews/write-encoder.ts'
import { editDistance, readScores } from '../examples/transfer/written-words.ts'
import { float32 } from '../src/core/tensor.ts'
import { createTokenizer } from '../src/data/tokenizer.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

async function output(script: string, ...options: string[]): Promise<string> {
  const words = ['--import', './scripts/typescript.mjs', `examples/transfer/${script}`, ...options]
  return (await promisify(execFile)(process.execPath, words, { cwd: root })).stdout
}

const losses = (text: string, way: string): number[] =>
  [...text.matchAll(new RegExp(`^${way}: epoch \\d+  loss ([\\d.]+)$`, 'gm'))].map(([, loss]) => Number(loss))

it('keywords tells recordings of another speaker apart', { timeout: 120_000 }, async () => {
  const text = await output('keywords.ts', '6', '3', '8')
  const [, tested, tuned] = /(\d+) clips of another speaker: ([\d.]+) % with the embedding, [\d.]+ % from/.exec(text)!
  expect(tested).toBe('24')
  // a third by chance
  expect(Number(tuned)).toBeGreaterThan(34)
})

it('digits: the trained network learns from few pictures', { timeout: 120_000 }, async () => {
  const text = await output('digits.ts', '2', '10', '100')
  const [first, second] = losses(text, 'fine-tuned')
  expect(second).toBeLessThan(first!)
  const [, tuned] = /fine-tuned: ([\d.]+) % of 100 unseen digits/.exec(text)!
  // a tenth by chance
  expect(Number(tuned)).toBeGreaterThan(30)
})

it('read-font: both ways learn a handwriting', { timeout: 180_000 }, async () => {
  const text = await output('read-font.ts', '2', '40', '20')
  const before = Number(/before: ([\d.]+) %/.exec(text)![1])
  expect(before).toBeGreaterThan(40)
  for (const way of ['full', 'lora']) {
    const [first, second] = losses(text, way)
    expect(second).toBeLessThan(first!)
  }
  expect(text).toMatch(/^full: .* 2688397 parameters trained$/m)
  expect(text).toMatch(/^lora: .* 187808 parameters trained$/m)
})

it('reviews: head, LoRA and everything learn from texts, beside what needs no training', {
  timeout: 180_000,
}, async () => {
  const text = await output('../reviews/train.ts', '80', '2', '60')
  expect(text).toMatch(/^80 reviews to train on.* 60 of other products to test$/m)
  for (const name of ["always 'great'", 'counted words', 'untouched encoder', 'head', 'lora', 'full']) {
    // better than by chance, though it has seen next to nothing
    expect(Number(new RegExp(`^${name}: ([\\d.]+) %$`, 'm').exec(text)![1]), name).toBeGreaterThan(50)
  }
  for (const way of ['lora', 'full']) {
    const found = [...text.matchAll(new RegExp(`^${way}: epoch \\d  loss ([\\d.]+)`, 'gm'))].map(([, loss]) =>
      Number(loss),
    )
    expect(found[1], way).toBeLessThan(found[0]!)
  }
  expect(text).toMatch(/^head: 770 parameters trained$/m)
  expect(text).toMatch(/^lora: 37,634 parameters trained$/m)
  expect(text).toMatch(/^full: 17,242,754 parameters trained$/m)
})

it("reviews: the encoder's folder has the tokenizer that the model was trained with", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'quern-encoder-'))
  try {
    await writeEncoder(folder)
    const tokenizer = createTokenizer(await readFile(join(folder, 'tokenizer.json')))
    // as sentence-transformers' own file gives them
    const expected = [101, 1037, 26729, 5572, 1010, 4895, 19636, 10880, 999, 102]
    expect([...tokenizer.encode(['a Stale tea, unpalatable!']).input_ids.data].map(Number)).toEqual(expected)
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('counts insertions, deletions and replacements', () => {
  expect(['', 'cat', 'cart', 'cat', 'kat'].map((read) => editDistance(read, 'cat'))).toEqual([3, 0, 1, 0, 1])
})

it('reads the best classes without repetitions and blanks', () => {
  const oneHot = [1, 1, 0, 1, 2, 2, 0].flatMap((best) => [0, 1, 2].map((c) => (c === best ? 1 : 0)))
  expect(readScores(float32([1, 7, 3], Float32Array.from(oneHot)), ['', 'a', 'b'])).toEqual(['aab'])
})
