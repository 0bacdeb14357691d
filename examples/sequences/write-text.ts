/**
 * A small GPT that learns to write, letter by letter, from the pages of this repository, and then writes. Twenty epochs take a few minutes on two cores.
 *
 *     node --import ./scripts/typescript.mjs examples/sequences/write-text.ts [epochs] [letters to learn from]
 */
import { readFile } from 'node:fs/promises'
import { createNodeBackend } from 'quern/engine'
import { createRandom, type FittedModel, fit, gpt, tensor } from 'quern/nn'

const epochs = Number(process.argv[2] ?? 20)
const most = Number(process.argv[3] ?? 60_000)
const length = 64

const pages = ['docs/guide.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'README.md', 'docs/log.md']
const text = (await Promise.all(pages.map((page) => readFile(page, 'utf8')))).join('\n').slice(0, most)
const letters = [...new Set(text)].sort()
const tokens = Int32Array.from([...text], (letter) => letters.indexOf(letter))

// Pieces of 64 letters, each beginning in the middle of the one before; the target is the same text one letter later.
const count = Math.floor((tokens.length - length - 1) / (length / 2))
const piece = (from: number) =>
  Array.from({ length: count }, (_, i) => [...tokens.subarray(from + 32 * i, from + 32 * i + length)])
const matrix = (from: number) => tensor('int32', [count, length], Int32Array.from(piece(from).flat()))

const model = gpt({ vocabularySize: letters.length, numLayers: 2, numHeads: 4, hiddenDim: 64, dropout: 0.1 })
const run = fit(model, {
  ...{ x: matrix(0), y: matrix(1), loss: 'sparseCategoricalCrossentropy', epochs },
  optimizer: { name: 'adamw', learningRate: 0.003 },
})
let trained: FittedModel | undefined
while (!trained) {
  const { done, value } = await run.next()
  if (done) trained = value
  else if (value.type === 'epoch') console.log(`epoch ${value.epoch}  loss ${value.train.loss!.toFixed(3)}`)
}

const random = createRandom(1)
const session = await createNodeBackend().createSession(trained.onnx)
let written = 'A model is '
for (let i = 0; i < 200; i++) {
  const seen = [...written].slice(-length).map((letter) => Math.max(0, letters.indexOf(letter)))
  // The file takes 64 letters; what stands behind the last one changes nothing before it.
  const x = tensor(
    'int32',
    [1, length],
    Int32Array.from({ length }, (_, at) => seen[at] ?? 0),
  )
  const { y } = await session.run({ x })
  const row = (y!.data as Float32Array).subarray((seen.length - 1) * letters.length, seen.length * letters.length)
  let rest = random.uniform()
  const next = row.findIndex((probability) => {
    rest -= probability
    return rest < 0
  })
  written += letters[Math.max(0, next)]
}
await session.release()
console.log(written)
