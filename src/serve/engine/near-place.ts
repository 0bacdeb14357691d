/**
 * The thread of the sockets as a place to compute, for what takes less time than a message to a worker and back: two wakes of a thread cost more than a run of a
 * small model. Only models whose work is known beforehand come here, since nobody is answered while they run.
 */
import type { Clock } from '../../core/ports.ts'
import { decodeModel } from '../../onnx/decode-model.ts'
import type { GraphProto } from '../../onnx/generated/onnx_pb.ts'
import type { Backend, NamedTensors, PortInfo, Session } from '../../runtime/backend.ts'
import { createNodeBackend } from '../../runtime/onnxruntime-node.ts'
import { RequestError } from '../request-error.ts'
import type { BatchResult, Place, ScheduledModel } from './scheduler.ts'

/** Of a run: about what it costs to send a batch to a worker and to be woken by it. What is no longer is computed here however busy this thread is. */
const freeMilliseconds = 0.3
/** Of a run: longer ones would keep those waiting who are answered without a model. */
const longestMilliseconds = 1
/** Its session is made in this thread, and its weights are kept once more. */
const mostBytes = 4 * 2 ** 20
/** Of this thread's time, that runs may take which are not free: beyond it is needed for connections, and workers that are busy make larger batches. */
const mostShare = 0.3
/** ms over which the share is taken */
const memory = 200
/** Runs in workers, before a model is taken for a short one. */
const fewestRuns = 8

interface Candidate {
  readonly bytes: Uint8Array
  session: Session | undefined
  isLoading: boolean
  /** ends with the last run; never rejects */
  running: Promise<unknown>
}

export class NearPlace implements Place {
  readonly isSpare = true
  readonly #clock: Clock
  readonly #backend: Backend
  readonly #candidates = new Map<ScheduledModel, Candidate>()
  /** of this thread's time that all short runs would take, at the moment when the last was noted */
  #share = 0
  #noted = 0

  constructor(clock: Clock, backend: Backend = createNodeBackend()) {
    this.#clock = clock
    this.#backend = backend
  }

  /**
   * Keeps a model in mind, when it can be a short one.
   * @param shared what its session is made of, if it proves short; kept
   */
  consider(model: ScheduledModel, bytes: Uint8Array, shared: Uint8Array, inputs: readonly PortInfo[]): void {
    if (isNear(bytes.length) && inputs.every(hasFreeBatchAlone) && hasKnownWork(bytes)) {
      this.#candidates.set(model, { bytes: shared, session: undefined, isLoading: false, running: Promise.resolve() })
    }
  }

  has(model: ScheduledModel, rows: number): boolean {
    const candidate = this.#candidates.get(model)
    if (!candidate || model.runTimes.count < fewestRuns) return false
    const milliseconds = model.runTimes.expect(rows)
    if (milliseconds > (this.#shareOf() > mostShare ? freeMilliseconds : longestMilliseconds)) return false
    if (!candidate.session) this.#load(model, candidate)
    return candidate.session !== undefined
  }

  run(
    model: ScheduledModel,
    feeds: NamedTensors,
    outputs: readonly string[] | undefined,
  ): BatchResult | Promise<BatchResult> {
    const candidate = this.#candidates.get(model)
    if (!candidate?.session) throw new RequestError(503, `model '${model.name}' was unloaded`)
    const { session } = candidate
    if (!session.runNow) return this.#runLater(candidate, session, feeds, outputs)
    const start = this.#clock.now()
    const results = session.runNow(feeds, outputs)
    return { results, milliseconds: this.#clock.now() - start }
  }

  /** The run begins in the next turn of the loop: what else this thread does until then is no part of it. */
  async #runLater(
    candidate: Candidate,
    session: Session,
    feeds: NamedTensors,
    outputs: readonly string[] | undefined,
  ): Promise<BatchResult> {
    let start = this.#clock.now()
    setImmediate(() => {
      start = this.#clock.now()
    })
    const running = session.run(feeds, outputs)
    candidate.running = running.catch(() => undefined)
    return { results: await running, milliseconds: this.#clock.now() - start }
  }

  /** Counts what this batch would have taken here, wherever it was computed. */
  note(model: ScheduledModel, batch: readonly { readonly rows: number }[]): void {
    if (!this.#candidates.has(model)) return
    const expected = model.runTimes.expect(batch.reduce((sum, { rows }) => sum + rows, 0))
    this.#share = this.#shareOf() + (expected <= longestMilliseconds ? expected / memory : 0)
    this.#noted = this.#clock.now()
  }

  #shareOf(): number {
    return this.#share * Math.exp((this.#noted - this.#clock.now()) / memory)
  }

  /** What runs is finished first. */
  async release(model: ScheduledModel): Promise<void> {
    const candidate = this.#candidates.get(model)
    this.#candidates.delete(model)
    await candidate?.running
    await candidate?.session?.release()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#candidates.keys()].map((model) => this.release(model)))
  }

  /** A model that cannot be loaded here goes on in the workers. */
  #load(model: ScheduledModel, candidate: Candidate): void {
    if (candidate.isLoading) return
    candidate.isLoading = true
    this.#backend.createSession(candidate.bytes.slice(), { threads: 1, immediate: true }).then(
      async (session) => {
        if (this.#candidates.get(model) === candidate) candidate.session = session
        else await session.release()
      },
      () => this.#candidates.delete(model),
    )
  }
}

/** Whether a model of this size may be kept here too. */
export function isNear(bytes: number): boolean {
  return bytes <= mostBytes
}

/** Else one request could be a thousand times as long as those before it. */
function hasFreeBatchAlone({ shape }: PortInfo): boolean {
  return shape?.slice(1).every((dim) => typeof dim === 'number') ?? false
}

/** No loop, whose length only the numbers of a request would tell. */
function hasKnownWork(bytes: Uint8Array): boolean {
  const { graph, functions } = decodeModel(bytes)
  return [graph!, ...functions].every(({ node }: Pick<GraphProto, 'node'>) =>
    node.every(({ attribute }) => attribute.every(({ g, graphs }) => g === undefined && graphs.length === 0)),
  )
}
