/** Keeps a share of what is computed, after its answer was sent. Only where a configuration asks for it. */
import { messageOf } from '../../core/errors.ts'
import type { Clock, Log } from '../../core/ports.ts'
import type { Tensor } from '../../core/tensor.ts'
import { writeSafetensors } from '../../formats/safetensors.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import type { Observer } from '../gate.ts'
import { type Passage, PassageNote, type ResultObserver } from '../passage.ts'

export interface PayloadSamplerOptions {
  /** of the requests, 0 to 1 */
  readonly share: number
  /** keeps one: encrypted, in a store with bounds */
  readonly keep: (content: Uint8Array) => Promise<unknown>
  /** 0 to 1, not to be foreseen: a client must not choose what is kept */
  readonly chance: () => number
  /** milliseconds since 1970 */
  readonly clock: Clock
  readonly log: Log
}

export interface PayloadSampler {
  readonly onResults: ResultObserver
  readonly observer: Observer
}

interface Sample {
  readonly feeds: NamedTensors
  readonly results: NamedTensors
}

/** Samples that are held or written now; when there are more, requests are left out. */
const mostAtOnce = 8
/** Bytes of one sample; larger ones are left out. */
const mostBytes = 16 * 2 ** 20

export function createPayloadSampler({ share, keep, chance, clock, log }: PayloadSamplerOptions): PayloadSampler {
  const samples = new PassageNote<Sample>()
  let held = 0
  let writing = 0
  return {
    /** The first run of a request. */
    onResults(passage, feeds, results) {
      if (chance() >= share || samples.of(passage) || held + writing >= mostAtOnce) return
      if (bytesOf(feeds) + bytesOf(results) > mostBytes) return
      samples.set(passage, { feeds, results })
      held++
    },
    observer(passage) {
      const sample = samples.of(passage)
      if (!sample) return
      samples.set(passage, undefined)
      held--
      writing++
      Promise.resolve()
        .then(() => keep(contentOf(passage, sample, clock.now())))
        .catch((error: unknown) => log.warn(`the payload of request ${passage.id} was not kept: ${messageOf(error)}`))
        .finally(() => writing--)
    },
  }
}

/** A safetensors file: `input/NAME` and `output/NAME`, texts as JSON in the metadata, and what the request was. */
function contentOf({ id, model, version, what, principal, status }: Passage, sample: Sample, now: number): Uint8Array {
  const tensors = new Map<string, Tensor>()
  const metadata: Record<string, string> = {
    format: 'quern payload 1',
    time: new Date(now).toISOString(),
    ...{
      request: id,
      what,
      model: model ?? '',
      version: version ?? '',
      key: principal?.id ?? '',
      status: String(status),
    },
  }
  for (const [side, named] of [['input', sample.feeds] as const, ['output', sample.results] as const]) {
    for (const [name, tensor] of Object.entries(named)) {
      if (Array.isArray(tensor.data)) metadata[`${side}/${name}`] = JSON.stringify(tensor.data)
      else tensors.set(`${side}/${name}`, tensor)
    }
  }
  return writeSafetensors({ tensors, metadata })
}

function bytesOf(tensors: NamedTensors): number {
  let bytes = 0
  for (const { data } of Object.values(tensors)) {
    bytes += Array.isArray(data) ? data.reduce((sum: number, text) => sum + String(text).length, 0) : data.byteLength
  }
  return bytes
}
