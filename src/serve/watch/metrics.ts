/**
 * Measurements for Prometheus, by its conventions: base units, `_total` for what only grows. Labels are names of models and versions of the
 * catalog, kinds of routes and statuses, so their number is bounded; what leaves the catalog leaves the measurements.
 */
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { LoadedVersion } from '../bundle-entry.ts'
import type { Catalog, VersionInfo } from '../catalog.ts'
import type { Observer, Traffic } from '../gate.ts'
import type { Passage } from '../passage.ts'
import { requestMeters } from './request-meters.ts'

/** What others know at the time of a scrape, written into gauges of their own. */
export interface GaugeSource {
  /** Makes the gauges; what it returns is called before each scrape. */
  register(registry: Registry): () => void
}

export interface MetricsOptions {
  readonly catalog: Catalog
  readonly sources?: readonly GaugeSource[]
  /** memory, processor time, garbage collection and the event loop of the process; default true */
  readonly process?: boolean
}

export interface Metrics {
  readonly observer: Observer
  readonly onLoaded: (loaded: LoadedVersion) => void
  readonly contentType: string
  /** The page that Prometheus reads. */
  page(traffic: Traffic): Promise<string>
}

const ofVersion = ['model', 'version'] as const

export function createMetrics({ catalog, sources = [], process = true }: MetricsOptions): Metrics {
  const registry = new Registry()
  if (process) collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const gauge = <T extends string>(name: string, help: string, labelNames: readonly T[] = []): Gauge<T> =>
    new Gauge({ name: `quern_${name}`, help, labelNames: [...labelNames], registers })
  const requests = requestMeters(registry)
  const batchSize = new Histogram({
    name: 'quern_batch_examples',
    help: 'Examples computed in one run of a model',
    labelNames: [...ofVersion],
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    registers,
  })
  const reports = sources.map((source) => source.register(registry))
  const running = gauge('requests_running', 'Requests on their way now')
  const draining = gauge('draining', '1 while the server finishes and takes nothing new')
  const bodies = gauge('body_bytes', 'Bytes of the bodies that are in memory now')
  const able = gauge('able', '1 when a model could be run now')
  const loaded = gauge('model_loaded', '1 for versions that are loaded', ofVersion)
  const memory = gauge('model_memory_bytes', 'Estimated memory of a loaded version', ofVersion)
  const users = gauge('model_users', 'Requests that hold a version', ofVersion)
  const queued = gauge('queue_length', 'Requests that wait for a worker', ofVersion)
  const computing = gauge('batches_computing', 'Batches of a version that workers compute now', ofVersion)
  const queues = new Map<string, LoadedVersion>()

  const look = (traffic: Traffic): void => {
    running.set(traffic.running)
    draining.set(Number(traffic.draining))
    bodies.set(traffic.bodyBytes)
    able.set(Number(catalog.isAble))
    for (const each of [loaded, memory, users, queued, computing]) each.reset()
    const listed = new Set(catalog.all.map(keyOf))
    for (const { name, version, state, bytes, users: holders } of catalog.all) {
      const of = { model: name, version }
      const isLoaded = state === 'ready'
      loaded.set(of, Number(isLoaded))
      if (!isLoaded) continue
      memory.set(of, bytes)
      users.set(of, holders)
      const queue = queues.get(keyOf({ name, version }))?.queue
      queued.set(of, queue?.queued ?? 0)
      computing.set(of, queue?.computing ?? 0)
    }
    for (const [key, { name, version }] of queues) {
      if (listed.has(key)) continue
      queues.delete(key)
      batchSize.remove(name, version)
    }
    requests.flush()
    requests.keep((name, version) => listed.has(keyOf({ name, version })))
    for (const report of reports) report()
  }

  return {
    observer: (passage: Passage) => requests.observe(passage),
    onLoaded(version) {
      queues.set(keyOf(version), version)
      const { observe } = batchSize.labels(version.name, version.version)
      version.queue.onBatch = (rows) => observe(rows)
    },
    contentType: registry.contentType,
    page(traffic) {
      look(traffic)
      return registry.metrics()
    },
  }
}

const keyOf = ({ name, version }: Pick<VersionInfo, 'name' | 'version'>): string => `${name}/${version}`
