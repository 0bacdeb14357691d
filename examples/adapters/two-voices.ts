/**
 * One small GPT, two adapters. The GPT learns to write from the pages of this repository; LoRA then teaches it two more voices, shouting and TypeScript,
 * without changing it. Both adapters are saved in PEFT's layout, read back, and answer over one loaded base, chosen row by row.
 *
 *     node --import ./scripts/typescript.mjs examples/adapters/two-voices.ts [epochs] [letters of each text] [folder]
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createNodeBackend, readModel } from 'quern/engine'
import * as nn from 'quern/nn'

const epochs = Number(process.argv[2] ?? 12)
const most = Number(process.argv[3] ?? 40_000)
const folder = process.argv[4]
const length = 32

const read = async (files: readonly string[]) =>
  (await Promise.all(files.map((file) => readFile(file, 'utf8')))).join('\n')
const plain = await read(['docs/guide.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'README.md'])
const texts = {
  pages: plain,
  shouting: plain.toUpperCase(),
  typescript: await read(['src/ops/emitter.ts', 'src/autodiff/backward.ts', 'src/nn/trace.ts', 'src/nn/model.ts']),
}
const letters = [...new Set(Object.values(texts).join(''))].sort()

/** Pieces of a text, and the same one letter later. */
function pieces(text: string): { x: nn.Tensor; y: nn.Tensor } {
  const tokens = Int32Array.from([...text], (letter) => letters.indexOf(letter))
  const count = Math.floor((tokens.length - 1) / length)
  const from = (at: number) => nn.tensor('int32', [count, length], tokens.slice(at, at + count * length))
  return { x: from(0), y: from(1) }
}

async function train(what: string, model: nn.Layer, text: string, learningRate: number): Promise<nn.FittedModel> {
  const run = nn.fit(model, {
    ...{ ...pieces(text.slice(0, most)), loss: 'sparseCategoricalCrossentropy', epochs, batchSize: 16 },
    optimizer: { name: 'adamw', learningRate },
  })
  for (;;) {
    const { done, value } = await run.next()
    if (done) return value
    if (value.type === 'epoch' && value.epoch === epochs) console.log(`${what}: loss ${value.train.loss!.toFixed(3)}`)
  }
}

const gpt = nn.gpt({ vocabularySize: letters.length, numLayers: 2, numHeads: 4, hiddenDim: 64 })
const base = await train('pages', gpt, texts.pages, 0.003)
const { graph } = await readModel(base.onnx)
const size = (parameters: ReadonlyMap<string, nn.Tensor>) =>
  [...parameters.values()].reduce((sum, { data }) => sum + data.length, 0)

const adapters: Record<string, nn.Adapter> = {}
for (const voice of ['shouting', 'typescript'] as const) {
  const method = nn.lora({ rank: 8, alpha: 16, targets: ['queryKeyValue', 'up', 'down', 'tokenEmbedding'] })
  const tuned = nn.adaptedModel(nn.importedModel(graph, { train: 'none' }), { adapter: method })
  const trained = await train(voice, tuned, texts[voice], 0.01)
  const files = nn.writePeft(graph, await nn.adapterFrom(graph, method, trained.parameters), 'pages')
  if (folder) {
    await mkdir(join(folder, voice), { recursive: true })
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, voice, name), bytes)
  }
  adapters[voice] = await nn.readPeft(graph, files)
}

// Text that nothing was trained on, a row for each voice, in one run: each row is scored with the adapter that it names.
const session = await nn.openAdapters(graph, { adapters, backend: createNodeBackend() })
const unseen = Object.values(texts).map((text) => pieces(text.slice(-length - 1)))
const whole = (key: 'x' | 'y') => Int32Array.from(unseen.flatMap((piece) => [...(piece[key].data as Int32Array)]))
const next = whole('y')

/** Mean of -log p of the letters that follow, by row. */
async function scores(choice: nn.AdapterChoice | readonly nn.AdapterChoice[]): Promise<readonly number[]> {
  const { y } = await session.run({ x: nn.tensor('int32', [3, length], whole('x')) }, choice)
  const logs = Array.from(next, (token, i) => -Math.log((y!.data as Float32Array)[i * letters.length + token]!))
  return [0, 1, 2].map((row) => logs.slice(row * length, (row + 1) * length).reduce((a, b) => a + b, 0) / length)
}

const [before, after] = [await scores(undefined), await scores([undefined, 'shouting', 'typescript'])]
await session.release()
for (const [i, voice] of Object.keys(texts).entries()) {
  console.log(`${voice.padEnd(10)}  the base ${before[i]!.toFixed(2)}  with its adapter ${after[i]!.toFixed(2)}`)
}
console.log(`the base has ${size(base.parameters)} numbers, an adapter ${size(adapters.shouting!.parameters)}`)
