/** Counters and histograms of finished passages. Children of labels are looked up once for each model: an observation costs microseconds. */
import { Counter, Histogram, type Registry } from 'prom-client'
import type { Passage } from '../passage.ts'
import { routeName } from './route-names.ts'
import { VersionMap } from './version-map.ts'

/** Seconds. */
const latencies = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** Adds up until a page is read: prom-client's counters make an object and a text of their labels for each addition. */
class LateCounter {
  readonly #counter: { inc(value: number): void }
  #count = 0

  constructor(counter: { inc(value: number): void }) {
    this.#counter = counter
  }

  add(value: number): void {
    this.#count += value
  }

  flush(): void {
    if (this.#count > 0) this.#counter.inc(this.#count)
    this.#count = 0
  }
}

/** The children of one model's version; '' for both where no model was reached. */
interface VersionMeters {
  readonly total: (seconds: number) => void
  readonly queue: (seconds: number) => void
  readonly compute: (seconds: number) => void
  readonly examples: LateCounter
  readonly tokensIn: LateCounter
  readonly tokensOut: LateCounter
  /** by route, then by status */
  readonly requests: Map<string, Map<number, Counted>>
}

interface Counted {
  readonly labels: { readonly model: string; readonly version: string; readonly route: string; readonly code: string }
  readonly counter: LateCounter
}

export interface RequestMeters {
  observe(passage: Passage): void
  /** Before a page is read. */
  flush(): void
  /** Forgets versions that are no longer there. */
  keep(isThere: (name: string, version: string) => boolean): void
}

export function requestMeters(registry: Registry): RequestMeters {
  const registers = [registry]
  const seconds = (name: string, help: string): Histogram<'model' | 'version'> =>
    new Histogram({ name, help, labelNames: ['model', 'version'], buckets: latencies, registers })
  const total = seconds('quern_request_duration_seconds', 'From the first byte of a request to the last of its answer')
  const queue = seconds('quern_queue_duration_seconds', 'Waited for a worker')
  const compute = seconds('quern_compute_duration_seconds', 'Computed by a worker')
  const requests = new Counter({
    name: 'quern_requests_total',
    help: 'Requests, jobs and refusals by status; 499: the client left',
    labelNames: ['model', 'version', 'route', 'code'],
    registers,
  })
  const examples = new Counter({
    name: 'quern_examples_total',
    help: 'Examples computed',
    labelNames: ['model', 'version'],
    registers,
  })
  const tokens = new Counter({
    name: 'quern_tokens_total',
    help: 'Tokens read and written',
    labelNames: ['model', 'version', 'direction'],
    registers,
  })
  const bytes = new Counter({
    name: 'quern_http_bytes_total',
    help: 'Bytes of bodies received, and of answers sent',
    labelNames: ['direction'],
    registers,
  })
  const [received, sent] = [new LateCounter(bytes.labels('in')), new LateCounter(bytes.labels('out'))]
  const byVersion = new VersionMap<VersionMeters>()

  const metersOf = (name: string, version: string): VersionMeters => {
    let meters = byVersion.get(name, version)
    if (!meters) {
      meters = {
        requests: new Map(),
        total: total.labels(name, version).observe,
        queue: queue.labels(name, version).observe,
        compute: compute.labels(name, version).observe,
        examples: new LateCounter(examples.labels(name, version)),
        tokensIn: new LateCounter(tokens.labels(name, version, 'in')),
        tokensOut: new LateCounter(tokens.labels(name, version, 'out')),
      }
      byVersion.set(name, version, meters)
    }
    return meters
  }

  const counterOf = (
    meters: VersionMeters,
    { model = '', version = '', status }: Passage,
    route: string,
  ): LateCounter => {
    let ofRoute = meters.requests.get(route)
    if (!ofRoute) {
      ofRoute = new Map()
      meters.requests.set(route, ofRoute)
    }
    let counted = ofRoute.get(status)
    if (!counted) {
      const labels = { model, version, route, code: String(status) }
      counted = { labels, counter: new LateCounter(requests.labels(labels)) }
      ofRoute.set(status, counted)
    }
    return counted.counter
  }

  return {
    observe(passage) {
      const meters = metersOf(passage.model ?? '', passage.version ?? '')
      counterOf(meters, passage, routeName(passage)).add(1)
      meters.total(passage.milliseconds / 1000)
      received.add(passage.bytesIn)
      sent.add(passage.bytesOut)
      meters.tokensIn.add(passage.tokensIn)
      meters.tokensOut.add(passage.tokensOut)
      if (passage.examples === 0) return
      meters.examples.add(passage.examples)
      meters.queue(passage.queuedMilliseconds / 1000)
      meters.compute(passage.computeMilliseconds / 1000)
    },
    flush() {
      for (const each of [received, sent]) each.flush()
      for (const { examples, tokensIn, tokensOut, requests } of byVersion.values()) {
        for (const each of [examples, tokensIn, tokensOut]) each.flush()
        for (const ofRoute of requests.values()) for (const { counter } of ofRoute.values()) counter.flush()
      }
    },
    keep(isThere) {
      const gone = byVersion.keep((name, version) => name === '' || isThere(name, version))
      for (const { model, version, value } of gone) {
        for (const each of [total, queue, compute, examples]) each.remove(model, version)
        for (const direction of ['in', 'out']) tokens.remove(model, version, direction)
        for (const ofRoute of value.requests.values())
          for (const { labels } of ofRoute.values()) requests.remove(labels)
      }
    },
  }
}
