/**
 * A version that only looks on: behind an answer it is given the same, at the end of the queue, and what it would have answered is told to those who
 * watch. It may have been trained on other columns or sizes: what is compared are answers to what was sent, and tensors only where tensors were sent.
 */
import type { Answer, Outcome, PredictInput } from '../bundle/index.ts'
import { QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import type { ShadowReport } from './aliases.ts'
import type { Catalog, ModelPipeline } from './catalog.ts'
import { RequestError } from './request-error.ts'

/** Below every request and job. */
const shadowPriority = -20
/** Comparisons at once; when more come, they are left out: a shadow must not cost the memory of those who are answered. */
const mostAtOnce = 8
/** Examples of one request that are compared. */
const mostOfRequest = 64
/** Two numbers agree when they differ by no more than this share of the larger one. */
const tolerance = 0.01
const running = new WeakMap<Catalog, number>()

type Compared = Pick<ShadowReport, 'examples' | 'agreeing' | 'differences' | 'largestDifference'>

/** The same pipeline, whose answers are compared with those of its model's shadow; itself when there is none. */
export function withShadow(pipeline: ModelPipeline, catalog: Catalog, name: string, version: string): ModelPipeline {
  const { shadow } = catalog.aliases(name)
  if (shadow === undefined || shadow === version) return pipeline
  const of = { name, version, shadow }
  const look = (compare: (other: ModelPipeline) => Promise<Compared>): void => lookOn(catalog, of, compare)
  const lookAtAnswers = (inputs: readonly PredictInput[], answers: readonly (readonly Answer[])[]): void =>
    look(async (other) => {
      const theirs = await other.predictBatch(inputs, { topK: Number.MAX_SAFE_INTEGER })
      return sumOf(answers.map((own, i) => differenceOfAnswers(own, theirs[i]!)))
    })
  return {
    manifest: pipeline.manifest,
    async infer(feeds, outputs) {
      const results = await pipeline.infer(feeds, outputs)
      look(async (other) => {
        const [first] = Object.keys(results)
        return sumOf(differencesOfTensors(results[first!]!, (await other.infer(feeds, outputs))[first!]))
      })
      return results
    },
    async predict(input, options) {
      const answers = await pipeline.predict(input, options)
      lookAtAnswers([input], [answers])
      return answers
    },
    async predictBatch(inputs, options) {
      const answers = await pipeline.predictBatch(inputs, options)
      lookAtAnswers(inputs.slice(0, mostOfRequest), answers.slice(0, mostOfRequest))
      return answers
    },
    async *predictEach(inputs, options) {
      const seen: PredictInput[] = []
      const outcomes: Outcome[] = []
      async function* noted(): AsyncGenerator<PredictInput> {
        for await (const input of inputs) {
          if (seen.length < mostOfRequest) seen.push(input)
          yield input
        }
      }
      for await (const outcome of pipeline.predictEach(noted(), options)) {
        if (outcomes.length < mostOfRequest) outcomes.push(outcome)
        yield outcome
      }
      const good = outcomes.filter((outcome) => 'predictions' in outcome)
      if (good.length === 0) return
      lookAtAnswers(
        good.map(({ index }) => seen[index]!),
        good.map(({ predictions }) => predictions),
      )
    },
  }
}

function lookOn(
  catalog: Catalog,
  of: Pick<ShadowReport, 'name' | 'version' | 'shadow'>,
  compare: (other: ModelPipeline) => Promise<Compared>,
): void {
  const count = running.get(catalog) ?? 0
  if (count >= mostAtOnce) return
  running.set(catalog, count + 1)
  compareOnce(catalog, of, compare)
    .then((compared) => catalog.onShadow?.({ ...of, ...compared }))
    .catch((error: unknown) => catalog.onShadow?.({ ...of, ...sumOf([]), failure: failureOf(error) }))
    .finally(() => running.set(catalog, (running.get(catalog) ?? 1) - 1))
}

async function compareOnce(
  catalog: Catalog,
  { name, shadow }: Pick<ShadowReport, 'name' | 'shadow'>,
  compare: (other: ModelPipeline) => Promise<Compared>,
): Promise<Compared> {
  const { model, release } = await catalog.lease(name, shadow)
  try {
    return await compare(model.pipeline({ priority: shadowPriority }))
  } finally {
    release()
  }
}

/** Why a version could not look on. What is wrong with an input repeats a part of it, which must not be logged. */
function failureOf(error: unknown): string {
  if (error instanceof QuernError && (error.kind === 'input' || error.kind === 'numeric')) {
    return 'it cannot use what the other version could'
  }
  return error instanceof RequestError ? `it was busy or is not there (${error.status})` : 'it failed'
}

interface Difference {
  readonly agrees: boolean
  readonly difference: number
}

function sumOf(differences: readonly Difference[]): Compared {
  return {
    examples: differences.length,
    agreeing: differences.filter(({ agrees }) => agrees).length,
    differences: differences.reduce((sum, { difference }) => sum + difference, 0),
    largestDifference: differences.reduce((most, { difference }) => Math.max(most, difference), 0),
  }
}

const areNear = (a: number, b: number): boolean => Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b))

/** Of classes: whether the best of each target is the same, and how far the scores that were answered lie apart. Of estimates: their numbers. */
function differenceOfAnswers(ours: readonly Answer[], theirs: readonly Answer[]): Difference {
  const numbers = new Map(theirs.map((answer) => [keyOf(answer), numberOf(answer)]))
  const apart = ours.map((answer) => ({ answer, own: numberOf(answer), other: numbers.get(keyOf(answer)) ?? 0 }))
  const difference = Math.max(0, ...apart.map(({ own, other }) => Math.abs(own - other)))
  const best = (answers: readonly Answer[], target: string | undefined): string | undefined => {
    const first = answers.find((answer) => answer.target === target)
    return first && keyOf(first)
  }
  const agrees =
    ours.length > 0 &&
    apart.every(({ answer, own, other }) =>
      'label' in answer ? best(ours, answer.target) === best(theirs, answer.target) : areNear(own, other),
    )
  return { agrees, difference }
}

const keyOf = (answer: Answer): string =>
  'label' in answer ? JSON.stringify([answer.target, answer.label]) : JSON.stringify([answer.target])
const numberOf = (answer: Answer): number => ('label' in answer ? answer.score : answer.value)

/** By the rows of the first output: the same place has the largest number, or the only number is nearly the same. */
function differencesOfTensors(ours: Tensor, theirs: Tensor | undefined): Difference[] {
  if (theirs?.data.length !== ours.data.length) {
    throw new QuernError('input', 'the two versions answer with tensors of other sizes')
  }
  const rows = Math.min(ours.shape[0] ?? 1, mostOfRequest)
  const width = rows === 0 ? 0 : ours.data.length / (ours.shape[0] ?? 1)
  return Array.from({ length: rows }, (_, row) => {
    const [a, b] = [ours, theirs].map(({ data }) => Array.from(data.slice(row * width, (row + 1) * width), Number))
    const difference = a!.reduce((most, value, i) => Math.max(most, Math.abs(value - b![i]!)), 0)
    const agrees = width === 1 ? areNear(a![0]!, b![0]!) : largestAt(a!) === largestAt(b!)
    return { agrees, difference: Number.isNaN(difference) ? Infinity : difference }
  })
}

const largestAt = (row: readonly number[]): number => row.reduce((best, value, i) => (value > row[best]! ? i : best), 0)
