/**
 * What models of texts answer on OpenAI's routes: labels of a text as moderation, the vector of a text as embedding. A model that reads anything
 * besides one column of texts is none of these: its clients send a text alone.
 * https://platform.openai.com/docs/api-reference/moderations, https://platform.openai.com/docs/api-reference/embeddings
 */
import { type Manifest, type TableColumn, targetsOf } from '../contract/manifest.ts'
import { embeddingRequest, moderationRequest } from '../contract/openai.ts'
import { parseWith } from '../contract/parse.ts'
import { QuernError } from '../core/errors.ts'
import { wordsOf } from '../data/features/categories.ts'
import type { Estimate, OpenAiQuestion, OpenAiRoute, Prediction } from './task-pipeline.ts'

/** Features that read a text word by word. */
const ofWords: ReadonlySet<string> = new Set(['bag', 'words'])

/** The column of texts, where the model reads nothing else. */
function textColumn({ preprocessing }: Manifest): TableColumn | undefined {
  const columns = preprocessing.kind === 'table' ? preprocessing.columns : []
  return columns.length === 1 && ofWords.has(columns[0]!.feature) ? columns[0] : undefined
}

const notOfTexts = 'it does not read one column of texts and nothing else'

/** Examples of the texts, and how many words of them are read. */
function examplesOf(input: string | readonly string[], manifest: Manifest): Pick<OpenAiQuestion, 'inputs' | 'tokens'> {
  const { name, state } = textColumn(manifest)!
  const list = typeof input === 'string' ? [input] : input
  const most = typeof state.length === 'number' ? state.length : Number.POSITIVE_INFINITY
  const tokens = list.reduce((sum, each) => sum + Math.min(most, wordsOf(each).length), 0)
  return { inputs: list.map((each) => ({ [name]: each })), tokens }
}

/** Labels that do not exclude each other: a text is flagged when one of them is as likely as not. */
export const moderations: OpenAiRoute = {
  lacks: (manifest) => (textColumn(manifest) ? undefined : notOfTexts),
  read(body, manifest) {
    const { input } = parseWith(moderationRequest, body, 'the request', 'input')
    const { labels } = manifest
    return {
      ...examplesOf(input, manifest),
      topK: labels.length,
      answer: ({ id, model }, answers) => ({
        id: `modr-${id}`,
        model,
        results: answers.map((answer) => {
          const scores = new Map((answer as Prediction[]).map(({ label, score }) => [label, score]))
          const each = <T>(of: (score: number) => T): Record<string, T> =>
            Object.fromEntries(labels.map((label) => [label, of(scores.get(label)!)]))
          return {
            flagged: labels.some((label) => scores.get(label)! >= 0.5),
            categories: each((score) => score >= 0.5),
            category_scores: each((score) => score),
            category_applied_input_types: each(() => ['text']),
          }
        }),
      }),
    }
  },
}

const sizeOf = ({ outputs }: Manifest): number => Number(outputs[0]!.shape[1])

/** The answer is a column of vectors, in the target's unit: nothing is normalised that training did not ask for. */
export const embeddings: OpenAiRoute = {
  lacks(manifest) {
    if (!textColumn(manifest)) return notOfTexts
    const { preprocessing } = manifest
    const targets = preprocessing.kind === 'table' ? targetsOf(preprocessing.target) : []
    return targets.length === 1 && sizeOf(manifest) > 1 ? undefined : 'its target is no column of vectors'
  },
  read(body, manifest) {
    const request = parseWith(embeddingRequest, body, 'the request', 'input')
    const size = sizeOf(manifest)
    const { input, encoding_format: format, dimensions = size } = request
    if (dimensions !== size) {
      throw new QuernError(
        'input',
        `the request: 'dimensions' must be ${size}, which the model has, received ${dimensions}`,
      )
    }
    const examples = examplesOf(input, manifest)
    const { tokens } = examples
    return {
      ...examples,
      topK: 1,
      answer: ({ model }, answers) => ({
        object: 'list',
        data: answers.map((answer, index) => {
          const vector = (answer as Estimate[]).map(({ value }) => value)
          return { object: 'embedding', index, embedding: format === 'base64' ? base64OfFloats(vector) : vector }
        }),
        model,
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      }),
    }
  },
}

/** float32, little-endian: what OpenAI's own clients ask for unless told otherwise. */
function base64OfFloats(vector: readonly number[]): string {
  const view = new DataView(new ArrayBuffer(4 * vector.length))
  for (const [i, value] of vector.entries()) view.setFloat32(4 * i, value, true)
  return btoa(Array.from(new Uint8Array(view.buffer), (byte) => String.fromCharCode(byte)).join(''))
}
