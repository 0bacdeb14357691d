/** All that looks on: put together once, hung on the gate's passages, and asked by the routes of routes/watching.ts. */
import type { Clock, Log } from '../../core/ports.ts'
import type { FeedbackStore } from '../../store/feedback.ts'
import type { PayloadStore } from '../../store/payloads.ts'
import type { LoadedVersion, OnLoaded } from '../bundle-entry.ts'
import type { Catalog } from '../catalog.ts'
import type { Observer } from '../gate.ts'
import type { Passage, ResultObserver } from '../passage.ts'
import { type DriftSettings, DriftWatch } from './drift-watch.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { createPayloadSampler } from './payload-sampler.ts'
import { type QualitySettings, QualityWatch } from './quality-watch.ts'
import { ShadowWatch } from './shadow-watch.ts'
import { traceObserver } from './traces.ts'
import type { Webhook } from './webhook.ts'

export interface WatchingOptions {
  readonly catalog: Catalog
  /** the server's: what times of passages are on */
  readonly clock: Clock
  /** milliseconds since 1970 */
  readonly wallClock: Clock
  readonly log: Log
  /** of Quern */
  readonly version: string
  /** undefined: not watched */
  readonly drift?: DriftSettings | undefined
  readonly webhook?: Webhook | undefined
  readonly quality?: (QualitySettings & { readonly store: FeedbackStore }) | undefined
  readonly payloads?:
    | { readonly share: number; readonly store: PayloadStore; readonly chance: () => number }
    | undefined
  /** measurements of the process too; default true */
  readonly process?: boolean
}

export interface Watching {
  readonly observers: readonly Observer[]
  readonly onResults: ResultObserver
  readonly onLoaded: OnLoaded
  readonly metrics: Metrics
  readonly drift: DriftWatch | undefined
  readonly quality: QualityWatch | undefined
  /** to be told what the catalog's `onShadow` is told */
  readonly shadows: ShadowWatch
}

export function createWatching(options: WatchingOptions): Watching {
  const { catalog, clock, wallClock, log, version, webhook } = options
  const drift =
    options.drift &&
    new DriftWatch(options.drift, clock, (alarm) => {
      const { model, version: of, examples } = alarm.report
      const said = alarm.event === 'drift' ? 'drifts from its training data' : 'is like its training data again'
      log.warn(`model ${model}, version ${of}, ${said} (${examples} examples; GET /models/${model}/drift says where)`)
      webhook?.send(alarm)
    })
  const quality = options.quality && new QualityWatch({ ...options.quality, clock: wallClock, log })
  const { payloads } = options
  const sampler =
    payloads &&
    createPayloadSampler({
      share: payloads.share,
      chance: payloads.chance,
      keep: (content) => payloads.store.add(content),
      ...{ clock: wallClock, log },
    })
  const shadows = new ShadowWatch(log)
  const sources = [drift, quality, shadows].filter((source) => source !== undefined)
  const metrics = createMetrics({ catalog, sources, ...(options.process === false ? { process: false } : {}) })
  const traces = traceObserver({ origin: wallClock.now() - clock.now(), version })
  return {
    observers: [
      metrics.observer,
      traces,
      ...(quality ? [(passage: Passage) => quality.observe(passage)] : []),
      ...(sampler ? [sampler.observer] : []),
    ],
    onResults(passage, feeds, results) {
      const { model, version: of } = passage
      if (model === undefined || of === undefined) return
      drift?.add(model, of, feeds, results)
      quality?.onResults(passage, results)
      sampler?.onResults(passage, feeds, results)
    },
    onLoaded(loaded: LoadedVersion) {
      const isThere = (name: string, of: string): boolean =>
        (name === loaded.name && of === loaded.version) ||
        catalog.all.some((info) => info.name === name && info.version === of)
      metrics.onLoaded(loaded)
      for (const each of [drift, quality, shadows]) {
        each?.keep(isThere)
        each?.onLoaded(loaded)
      }
    },
    ...{ metrics, drift, quality, shadows },
  }
}
