/**
 * How good models are at work: answers are remembered for a while by the id of their request, labels come later, and metrics are taken of the
 * last pairs. Only who asked may tell what was right, once for each example.
 */
import { Gauge, type Registry } from 'prom-client'
import { messageOf } from '../../core/errors.ts'
import type { Clock, Log } from '../../core/ports.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import type { FeedbackRecord, FeedbackStore } from '../../store/feedback.ts'
import type { LoadedVersion } from '../bundle-entry.ts'
import type { Passage } from '../passage.ts'
import type { Principal } from '../principal.ts'
import { RequestError } from '../request-error.ts'
import { AnswerMemory, type RememberedAnswers } from './answer-memory.ts'
import { type Judge, type Judged, judgeOf } from './judge.ts'
import type { GaugeSource } from './metrics.ts'

export interface QualitySettings {
  /** pairs that the metrics are taken of */
  readonly window: number
  /** requests whose answers are remembered; the oldest are forgotten */
  readonly remember: number
}

export interface QualityOptions extends QualitySettings {
  readonly store: FeedbackStore
  /** milliseconds since 1970 */
  readonly clock: Clock
  readonly log: Log
}

/** What was right for the examples of one request. */
export interface Feedback {
  /** its id: the header X-Request-Id of the answer */
  readonly request: string
  /** one for each example; null where it is not known */
  readonly labels: readonly (string | number | null)[]
}

export interface QualityReport {
  readonly model: string
  readonly version: string
  /** labels since the server began */
  readonly labelled: number
  /** pairs that the metrics are of */
  readonly examples: number
  readonly metrics: Readonly<Record<string, number>>
  /** of the test split when it was trained, or of the validation split */
  readonly trained: Readonly<Record<string, number>>
}

interface Watched {
  readonly version: LoadedVersion
  readonly judge: Judge
  readonly pairs: Judged[]
  labelled: number
  /** of the pairs as they are; made when it is asked for */
  metrics: Record<string, number> | undefined
}

/** The numbers of the runs of a request so far. */
interface Pending {
  readonly watched: Watched
  answers: Float32Array
}

/** Numbers of all answers that are remembered: 64 MB. */
const mostNumbers = 2 ** 24

export class QualityWatch implements GaugeSource {
  readonly #options: QualityOptions
  readonly #versions = new Map<string, Watched>()
  readonly #answers: AnswerMemory<Watched>
  /** of requests that are not over */
  readonly #pending = new Map<Passage, Pending>()

  constructor(options: QualityOptions) {
    this.#options = options
    this.#answers = new AnswerMemory(options.remember, mostNumbers)
  }

  /** Pairs that were kept by an earlier server count on. */
  onLoaded(version: LoadedVersion): void {
    const judge = judgeOf(version.manifest)
    const key = keyOf(version.name, version.version)
    if (!judge || this.#versions.get(key)?.version.manifest.created === version.manifest.created) return
    const watched: Watched = { version, judge, pairs: [], labelled: 0, metrics: undefined }
    this.#versions.set(key, watched)
    this.#recall(watched).catch((error: unknown) =>
      this.#options.log.warn(`the feedback for ${key} cannot be read: ${messageOf(error)}`),
    )
  }

  /** Takes in what a run of a request computed. */
  onResults(passage: Passage, results: NamedTensors): void {
    const { kind, state, model = '', version = '' } = passage
    const watched = kind === 'http' && state === 'running' && this.#versions.get(keyOf(model, version))
    const data = watched && results[watched.version.manifest.outputs[0]!.name]?.data
    if (!watched || !(data instanceof Float32Array)) return
    const before = this.#pending.get(passage)
    if (before) before.answers = joined(before.answers, data)
    else this.#pending.set(passage, { watched, answers: data })
  }

  /** Of a request that is over: keeps what was answered, until its label comes or newer answers need the room. */
  observe(passage: Passage): void {
    const pending = this.#pending.get(passage)
    if (!pending) return
    this.#pending.delete(passage)
    this.#answers.add(passage.id, passage.principal?.id ?? '', pending.watched, pending.answers)
  }

  /** Takes labels in: all of them, or none. Throws RequestError 404 for requests that are not known, 409 and 422 for what does not fit. */
  async give(principal: Principal, feedback: readonly Feedback[]): Promise<number> {
    if (new Set(feedback.map(({ request }) => request)).size < feedback.length) {
      throw new RequestError(422, 'a request is named twice: give all of its labels at once')
    }
    const checked = feedback.map((one) => this.#check(principal, one))
    let count = 0
    for (const { entry, records, pairs } of checked) {
      const { about: watched, told } = entry
      for (const { example } of records) {
        if (told.has(example)) throw alreadyTold(example)
        told.add(example)
      }
      const { name, version } = watched.version
      try {
        await this.#options.store.add(name, version, records)
      } catch (error) {
        for (const { example } of records) told.delete(example)
        throw error
      }
      watched.pairs.push(...pairs)
      this.#trim(watched)
      watched.labelled += pairs.length
      count += pairs.length
    }
    return count
  }

  report(model: string, version: string): QualityReport | undefined {
    const watched = this.#versions.get(keyOf(model, version))
    if (!watched) return undefined
    const { pairs, judge, labelled } = watched
    watched.metrics ??= pairs.length === 0 ? {} : judge.score(pairs)
    const { metrics } = watched.version.manifest
    const trained = metrics.test ?? metrics.validation ?? {}
    return { model, version, labelled, examples: pairs.length, metrics: watched.metrics, trained }
  }

  /** Forgets versions that are no longer there. */
  keep(isThere: (model: string, version: string) => boolean): void {
    for (const [key, { version }] of this.#versions) {
      if (!isThere(version.name, version.version)) this.#versions.delete(key)
    }
  }

  register(registry: Registry): () => void {
    const registers = [registry]
    const of = ['model', 'version']
    const quality = new Gauge({
      name: 'quern_quality',
      help: 'Metrics of the answers whose labels came back, over the last of them',
      labelNames: [...of, 'metric'],
      registers,
    })
    const examples = new Gauge({
      name: 'quern_quality_examples',
      help: 'Answers with labels that quern_quality is of',
      labelNames: of,
      registers,
    })
    return () => {
      quality.reset()
      examples.reset()
      for (const { version: loaded } of this.#versions.values()) {
        const { model, version, metrics, examples: count } = this.report(loaded.name, loaded.version)!
        examples.set({ model, version }, count)
        for (const [metric, value] of Object.entries(metrics)) quality.set({ model, version, metric }, value)
      }
    }
  }

  #check(
    principal: Principal,
    { request, labels }: Feedback,
  ): { entry: RememberedAnswers<Watched>; records: FeedbackRecord[]; pairs: Judged[] } {
    const entry = this.#answers.find(request)
    // Of another's request nobody learns that it was there.
    if (!entry || entry.owner !== principal.id) {
      const { remember } = this.#options
      throw new RequestError(
        404,
        `request '${request}' is not known: the answers of the last ${remember} requests are, to the key that asked`,
      )
    }
    const { judge } = entry.about
    const rows = entry.answers.length / judge.width
    if (labels.length !== rows) {
      throw new RequestError(
        422,
        `request '${request}' had ${rows} examples, received ${labels.length} labels; null where one is not known`,
      )
    }
    const time = new Date(this.#options.clock.now()).toISOString()
    const records: FeedbackRecord[] = []
    const pairs: Judged[] = []
    for (const [example, label] of labels.entries()) {
      if (label === null) continue
      if (entry.told.has(example)) throw alreadyTold(example)
      const answer = entry.answers.slice(example * judge.width, (example + 1) * judge.width)
      pairs.push({ answer, truth: judge.truthFrom(label) })
      // Nine digits bring back the same number of 32 bits.
      const shown = Array.from(answer, (value) => Number(value.toPrecision(9)))
      records.push({ time, request, example, key: principal.id, label, answer: shown })
    }
    return { entry, records, pairs }
  }

  async #recall(watched: Watched): Promise<void> {
    const { store, window } = this.#options
    const { name, version } = watched.version
    const pairs = (await store.recent(name, version, window)).flatMap(({ label, answer }): Judged[] => {
      if (answer.length !== watched.judge.width) return []
      try {
        return [{ answer: Float32Array.from(answer), truth: watched.judge.truthFrom(label) }]
      } catch {
        // Of an earlier model under this version, with other classes.
        return []
      }
    })
    watched.pairs.unshift(...pairs)
    this.#trim(watched)
  }

  #trim(watched: Watched): void {
    const { pairs } = watched
    watched.metrics = undefined
    if (pairs.length > this.#options.window) pairs.splice(0, pairs.length - this.#options.window)
  }
}

const keyOf = (model: string, version: string): string => `${model}/${version}`

function joined(first: Float32Array, second: Float32Array): Float32Array {
  const both = new Float32Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}

function alreadyTold(example: number): RequestError {
  return new RequestError(409, `example ${example} of this request has its label already`)
}
