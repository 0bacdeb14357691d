/** What needs no training of a network: counted words, and the untouched encoder. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createNodeBackend } from 'quern/engine'
import { createTokenizer } from 'quern/nn'
import type { Reviews } from './reviews.ts'
import { sentence } from './write-encoder.ts'

/** Naive Bayes over the words of a text (multinomial, one added to each count). */
export function countedWords(train: Reviews, texts: readonly string[]): Int32Array {
  const wordsOf = (text: string) => text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? []
  const counts = [new Map<string, number>(), new Map<string, number>()] as const
  for (const [i, text] of train.texts.entries()) {
    const count = counts[train.labels[i] as 0 | 1]
    for (const word of wordsOf(text)) count.set(word, (count.get(word) ?? 0) + 1)
  }
  const vocabulary = new Set(counts.flatMap((count) => [...count.keys()]))
  const totals = counts.map((count) => [...count.values()].reduce((sum, n) => sum + n, vocabulary.size))
  const shares = [0, 1].map((label) => train.labels.filter((l) => l === label).length / train.labels.length)
  return Int32Array.from(texts, (text) => {
    const [great, other] = [0, 1].map((label) =>
      wordsOf(text)
        .filter((word) => vocabulary.has(word))
        .reduce(
          (sum, word) => sum + Math.log(((counts[label]!.get(word) ?? 0) + 1) / totals[label]!),
          Math.log(shares[label]!),
        ),
    )
    return other! > great! ? 1 : 0
  })
}

/** The class whose mean sentence vector points most nearly where the text's does: the encoder as it is. */
export async function nearestMean(
  folder: string,
  train: Reviews,
  of: { readonly texts: readonly string[]; readonly tokens: number },
): Promise<Int32Array> {
  const session = await createNodeBackend().createSession(await readFile(join(folder, 'onnx/model.onnx')))
  const tokenizer = createTokenizer(await readFile(join(folder, 'tokenizer.json')))
  const vectors = async (texts: readonly string[]) => {
    const found: Float32Array[] = []
    for (let at = 0; at < texts.length; at += 50) {
      const { input_ids, attention_mask } = tokenizer.encode(texts.slice(at, at + 50), { length: of.tokens })
      const { [sentence]: answer } = await session.run({ input_ids, attention_mask })
      const [rows, size] = answer!.shape as [number, number]
      for (let i = 0; i < rows; i++) found.push(unit((answer!.data as Float32Array).slice(i * size, (i + 1) * size)))
    }
    return found
  }
  const known = await vectors(train.texts)
  const means = [0, 1].map((label) => {
    const own = known.filter((_, i) => train.labels[i] === label)
    return unit(own[0]!.map((_, axis) => own.reduce((sum, vector) => sum + vector[axis]!, 0)))
  })
  const asked = await vectors(of.texts)
  await session.release()
  const along = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, axis) => sum + x * b[axis]!, 0)
  return Int32Array.from(asked, (vector) => (along(vector, means[1]!) > along(vector, means[0]!) ? 1 : 0))
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector)
  return vector.map((x) => x / length)
}
