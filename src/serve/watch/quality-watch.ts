/**
 * How good models are at work: answers are remembered for a while by the id of their request, labels come later, and metrics are taken of the
 * last pairs. Only who asked may tell what was right, once for each example.
 */
import { Gauge, type Registry } from 'prom-client'
import { messageOf } from '../../core/errors.ts'
import type { Clock, Log } from '../../core/ports.ts'
import { metricOfTarget } from '../../metrics/index.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import type { FeedbackRecord, FeedbackStore } from '../../store/feedback.ts'
import type { LoadedVersion } from '../bundle-entry.ts'
import { type Passage, PassageNote } from '../passage.ts'
import type { Principal } from '../principal.ts'
import { RequestError } from '../request-error.ts'
import { AnswerMemory, type RememberedAnswers } from './answer-memory.ts'
import { byTarget, type ExampleLabel } from './example-label.ts'
import { answersIn, type Judge, type Judged, judgeOf } from './judge.ts'
import type { GaugeSource } from './metrics.ts'
import { TargetQuality } from './target-quality.ts'
import { VersionMap } from './version-map.ts'

export interface QualitySettings {
  /** pairs that the metrics are taken of, for each target */
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
  readonly labels: readonly (ExampleLabel | null)[]
}

export interface QualityReport {
  readonly model: string
  readonly version: string
  /** labels since the server began, of all targets */
  readonly labelled: number
  /** pairs that the metrics are of; of several targets of the one that has the most */
  readonly examples: number
  /** of several targets, the name of each in front: `speciesAccuracy` */
  readonly metrics: Readonly<Record<string, number>>
  /** of the test split when it was trained, or of the validation split */
  readonly trained: Readonly<Record<string, number>>
  /** of each target of several */
  readonly targets?: readonly { readonly target: string; readonly labelled: number; readonly examples: number }[]
}

interface Watched {
  readonly version: LoadedVersion
  /** undefined: labels for its answers are refused */
  readonly judge: Judge | undefined
  readonly targets: readonly TargetQuality[]
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
  readonly #versions = new VersionMap<Watched>()
  readonly #answers: AnswerMemory<Watched>
  /** of requests that are not over */
  readonly #pending = new PassageNote<Pending>()

  constructor(options: QualityOptions) {
    this.#options = options
    this.#answers = new AnswerMemory(options.remember, mostNumbers)
  }

  /** Pairs that were kept by an earlier server count on. */
  onLoaded(version: LoadedVersion): void {
    if (this.#versions.get(version.name, version.version)?.version.manifest.created === version.manifest.created) return
    const judge = judgeOf(version.manifest)
    const { window } = this.#options
    const watched: Watched = {
      ...{ version, judge },
      targets: (judge?.targets ?? []).map((target) => new TargetQuality(target, window)),
    }
    this.#versions.set(version.name, version.version, watched)
    this.#recall(watched).catch((error: unknown) =>
      this.#options.log.warn(`the feedback for ${version.name}/${version.version} cannot be read: ${messageOf(error)}`),
    )
  }

  /** Takes in what a run of a request computed. */
  onResults(passage: Passage, results: NamedTensors): void {
    const { kind, state, model = '', version = '' } = passage
    const watched = kind === 'http' && state === 'running' && this.#versions.get(model, version)
    const data = watched && answersIn(results, watched.judge)
    if (!watched || !data) return
    const before = this.#pending.of(passage)
    if (before) before.answers = joined(before.answers, data)
    else this.#pending.set(passage, { watched, answers: data })
  }

  /** Of a request that is over: keeps what was answered, until its label comes or newer answers need the room. */
  observe(passage: Passage): void {
    const pending = this.#pending.of(passage)
    if (!pending) return
    this.#pending.set(passage, undefined)
    this.#answers.add(passage.id, passage.principal?.id ?? '', pending.watched, pending.answers)
  }

  /** Takes labels in: all of them, or none. Throws RequestError 404 for requests that are not known, 409 and 422 for what does not fit. */
  async give(principal: Principal, feedback: readonly Feedback[]): Promise<number> {
    if (new Set(feedback.map(({ request }) => request)).size < feedback.length) {
      throw new RequestError(422, 'a request is named twice: give all of its labels at once')
    }
    const checked = feedback.map((one) => this.#check(principal, one))
    let count = 0
    for (const { entry, records, labels } of checked) {
      const { about: watched, told } = entry
      for (const { at, example, target } of labels) {
        if (told.has(at)) throw alreadyTold(example, target)
        told.add(at)
      }
      const { name, version } = watched.version
      try {
        await this.#options.store.add(name, version, records)
      } catch (error) {
        for (const { at } of labels) told.delete(at)
        throw error
      }
      for (const { target, pair } of labels) target.add(pair)
      count += labels.length
    }
    return count
  }

  report(model: string, version: string): QualityReport | undefined {
    const watched = this.#versions.get(model, version)
    if (!watched?.judge) return undefined
    const { targets } = watched
    const { metrics: splits } = watched.version.manifest
    const named = targets.map((each) => [each.judge.target, each.metrics] as const)
    return {
      ...{ model, version },
      labelled: targets.reduce((sum, { labelled }) => sum + labelled, 0),
      examples: Math.max(...targets.map(({ examples }) => examples)),
      metrics: Object.fromEntries(
        named.flatMap(([target, metrics]) =>
          Object.entries(metrics).map(([key, value]) => [
            target === undefined ? key : metricOfTarget(target, key),
            value,
          ]),
        ),
      ),
      trained: splits.test ?? splits.validation ?? {},
      ...(targets.length > 1
        ? { targets: targets.map(({ judge, labelled, examples }) => ({ target: judge.target!, labelled, examples })) }
        : {}),
    }
  }

  /** Forgets versions that are no longer there. */
  keep(isThere: (model: string, version: string) => boolean): void {
    this.#versions.keep(isThere)
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
      help: 'Answers with labels that quern_quality is of; of several targets for each',
      labelNames: [...of, 'target'],
      registers,
    })
    return () => {
      quality.reset()
      examples.reset()
      for (const { version: loaded } of this.#versions.values()) {
        const report = this.report(loaded.name, loaded.version)
        if (!report) continue
        const { model, version, metrics, targets } = report
        if (!targets) examples.set({ model, version }, report.examples)
        for (const { target, examples: count } of targets ?? []) examples.set({ model, version, target }, count)
        for (const [metric, value] of Object.entries(metrics)) quality.set({ model, version, metric }, value)
      }
    }
  }

  #check(principal: Principal, { request, labels }: Feedback): Checked {
    const entry = this.#answers.find(request)
    // Of another's request nobody learns that it was there.
    if (!entry || entry.owner !== principal.id) {
      const { remember } = this.#options
      throw new RequestError(
        404,
        `request '${request}' is not known: the answers of the last ${remember} requests are, to the key that asked`,
      )
    }
    const { judge, targets, version } = entry.about
    if (!judge) {
      throw new RequestError(422, `model '${version.name}' answers nothing that a label could be compared with`)
    }
    const rows = entry.answers.length / judge.width
    if (labels.length !== rows) {
      const [had, came] = [counted(rows, 'example'), counted(labels.length, 'label')]
      throw new RequestError(
        422,
        `request '${request}' had ${had}, received ${came}: 'labels' has one for each, null where it is not known`,
      )
    }
    const time = new Date(this.#options.clock.now()).toISOString()
    const records: FeedbackRecord[] = []
    const given: GivenLabel[] = []
    for (const [example, label] of labels.entries()) {
      if (label === null) continue
      for (const [place, one] of byTarget(label, judge, version.name)) {
        const target = targets[place]!
        const { from, width, truthFrom, target: named } = target.judge
        const at = example * targets.length + place
        if (entry.told.has(at)) throw alreadyTold(example, target)
        const start = example * judge.width + from
        const answer = entry.answers.slice(start, start + width)
        if (!answer.every(Number.isFinite)) {
          const of = named === undefined ? '' : ` for '${named}'`
          throw new RequestError(422, `request '${request}' has no answer${of} to example ${example}`)
        }
        given.push({ at, example, target, pair: { answer, truth: truthFrom(one) } })
        // Nine digits bring back the same number of 32 bits.
        const shown = Array.from(answer, (value) => Number(value.toPrecision(9)))
        const about = { time, request, example, key: principal.id }
        records.push({ ...about, ...(named === undefined ? {} : { target: named }), label: one, answer: shown })
      }
    }
    return { entry, records, labels: given }
  }

  async #recall({ version: { name, version }, targets }: Watched): Promise<void> {
    const { store, window } = this.#options
    const records = await store.recent(name, version, window * targets.length)
    for (const target of targets) {
      const { target: named, width, truthFrom } = target.judge
      target.recall(
        records.flatMap(({ target: of, label, answer }): Judged[] => {
          if (of !== named || answer.length !== width) return []
          try {
            return [{ answer: Float32Array.from(answer), truth: truthFrom(label) }]
          } catch {
            // Of an earlier model under this version, with other classes.
            return []
          }
        }),
      )
    }
  }
}

/** One label that may be taken in. */
interface GivenLabel {
  /** the example and the target as one number */
  readonly at: number
  readonly example: number
  readonly target: TargetQuality
  readonly pair: Judged
}

interface Checked {
  readonly entry: RememberedAnswers<Watched>
  readonly records: readonly FeedbackRecord[]
  readonly labels: readonly GivenLabel[]
}

function joined(first: Float32Array, second: Float32Array): Float32Array {
  const both = new Float32Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}

function alreadyTold(example: number, { judge: { target } }: TargetQuality): RequestError {
  const of = target === undefined ? '' : ` for '${target}'`
  return new RequestError(409, `example ${example} of this request has its label${of} already`)
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`
