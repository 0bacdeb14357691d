/**
 * Whether what models are asked, and what they answer, is still like their training split: windows of the last examples for each version,
 * compared with the profile in its bundle, and an alarm when they part. Chance is kept out by a least number of examples.
 */
import { Gauge, type Registry } from 'prom-client'
import { type ModelMeasures, measuresOf } from '../../bundle/profile/training-profile.ts'
import type { Clock } from '../../core/ports.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import type { LoadedVersion } from '../bundle-entry.ts'
import { DriftWindow, type MeasuredDrift } from './drift-window.ts'
import type { GaugeSource } from './metrics.ts'
import { VersionMap } from './version-map.ts'

export interface DriftSettings {
  /** examples that are compared */
  readonly window: number
  /** with fewer nothing is said */
  readonly minExamples: number
  /** thresholds of the population stability index and of Kolmogorov and Smirnov's distance */
  readonly psi: number
  readonly ks: number
}

export interface DriftReport {
  readonly model: string
  readonly version: string
  /** 'unknown': the bundle has no profile; 'waiting': too few examples */
  readonly state: 'unknown' | 'waiting' | 'same' | 'drifted'
  readonly trainingExamples: number
  readonly examples: number
  readonly thresholds: Pick<DriftSettings, 'psi' | 'ks'>
  readonly inputs: readonly MeasuredDrift[]
  readonly outputs: readonly MeasuredDrift[]
}

export interface DriftAlarm {
  readonly event: 'drift' | 'recovered'
  readonly report: DriftReport
}

interface Watched {
  readonly version: LoadedVersion
  readonly inputs: DriftWindow
  readonly outputs: DriftWindow
  /** examples that were seen at the last look, and when that was */
  lastCheck: number
  checkedAt: number
  isDrifted: boolean
}

/** Measures of a version that get gauges of their own, on each side: a table may have hundreds of columns. */
const mostGauges = 50
/** The alarm is looked at again after so many parts of the window are new. */
const checksInWindow = 10
/** ms between two looks, at least: of a busy model the window is new several times a second. What came last is looked at when the metrics are read. */
const betweenChecks = 1000
/** Of the thresholds: an alarm is over below it. */
const calm = 0.8

export class DriftWatch implements GaugeSource {
  readonly #settings: DriftSettings
  readonly #onAlarm: (alarm: DriftAlarm) => void
  readonly #clock: Clock
  readonly #versions = new VersionMap<Watched>()

  constructor(settings: DriftSettings, clock: Clock, onAlarm: (alarm: DriftAlarm) => void) {
    this.#settings = settings
    this.#clock = clock
    this.#onAlarm = onAlarm
  }

  /** A version that was loaded again goes on with its window, unless it was replaced by another of its name. */
  onLoaded(version: LoadedVersion): void {
    const { name, manifest, profile } = version
    const before = this.#versions.get(name, version.version)
    if (before && contentOf(before.version) === contentOf(version)) return
    const { inputs, outputs }: ModelMeasures = measuresOf(manifest)
    const { window } = this.#settings
    this.#versions.set(name, version.version, {
      version,
      inputs: new DriftWindow(inputs, profile?.inputs ?? [], window),
      outputs: new DriftWindow(outputs, profile?.outputs ?? [], window),
      lastCheck: 0,
      checkedAt: -Infinity,
      isDrifted: false,
    })
  }

  /** Takes in what a version was asked and what it answered. */
  add(model: string, version: string, feeds: NamedTensors, results: NamedTensors): void {
    const watched = this.#versions.get(model, version)
    if (!watched) return
    const { inputs, outputs, version: loaded } = watched
    const rows = Object.values(feeds)[0]?.shape[0] ?? 0
    if (inputs.watches) inputs.add(feeds, rows)
    if (outputs.watches && loaded.manifest.outputs.every(({ name }) => results[name])) outputs.add(results, rows)
    const every = Math.max(1, Math.floor(this.#settings.window / checksInWindow))
    if (inputs.seen - watched.lastCheck >= every) this.#checkNow(watched, betweenChecks)
  }

  #checkNow(watched: Watched, pause = 0): void {
    const { seen } = watched.inputs
    const now = this.#clock.now()
    if (seen < this.#settings.minExamples || seen === watched.lastCheck || now - watched.checkedAt < pause) return
    watched.lastCheck = seen
    watched.checkedAt = now
    this.#check(watched)
  }

  /** Of a version, or undefined where none of it was loaded yet. */
  report(model: string, version: string): DriftReport | undefined {
    const watched = this.#versions.get(model, version)
    return watched && this.#reportOf(watched)
  }

  /** Forgets versions that are no longer there. */
  keep(isThere: (model: string, version: string) => boolean): void {
    this.#versions.keep(isThere)
  }

  register(registry: Registry): () => void {
    const gauge = <T extends string>(name: string, help: string, labels: readonly T[]): Gauge<T> =>
      new Gauge({ name: `quern_drift_${name}`, help, labelNames: [...labels], registers: [registry] })
    const of = ['model', 'version', 'side', 'measure'] as const
    const psi = gauge('psi', 'Population stability index of the last examples against the training split', of)
    const ks = gauge('ks', "Kolmogorov and Smirnov's distance of the last examples to the training split", of)
    const examples = gauge('examples', 'Examples that are compared', ['model', 'version'])
    const drifted = gauge('alarm', '1 while a threshold is passed', ['model', 'version'])
    return () => {
      for (const each of [psi, ks, examples, drifted]) each.reset()
      for (const watched of this.#versions.values()) {
        this.#checkNow(watched)
        const report = this.#reportOf(watched)
        const { model, version } = report
        examples.set({ model, version }, report.examples)
        drifted.set({ model, version }, Number(report.state === 'drifted'))
        if (report.state === 'waiting') continue
        for (const side of ['inputs', 'outputs'] as const) {
          for (const measured of report[side].slice(0, mostGauges)) {
            const labels = { model, version, side, measure: measured.name }
            psi.set(labels, measured.psi)
            if (measured.ks !== undefined) ks.set(labels, measured.ks)
          }
        }
      }
    }
  }

  #reportOf({ version: { name, version, profile }, inputs, outputs }: Watched): DriftReport {
    const { psi, ks, minExamples } = this.#settings
    const examples = Math.max(inputs.examples, outputs.examples)
    const measured = { inputs: inputs.report(), outputs: outputs.report() }
    const isOver = [...measured.inputs, ...measured.outputs].some((drift) => drift.psi > psi || (drift.ks ?? 0) > ks)
    const known = inputs.watches || outputs.watches
    const state = !known ? 'unknown' : examples < minExamples ? 'waiting' : isOver ? 'drifted' : 'same'
    const trainingExamples = profile?.examples ?? 0
    return { model: name, version, state, trainingExamples, examples, thresholds: { psi, ks }, ...measured }
  }

  /** One alarm when a threshold is passed, and one word when all are kept again by a margin: at the border it is silent. */
  #check(watched: Watched): void {
    const report = this.#reportOf(watched)
    const { psi, ks } = this.#settings
    const isNear = [...report.inputs, ...report.outputs].some(
      (drift) => drift.psi > calm * psi || (drift.ks ?? 0) > calm * ks,
    )
    const isDrifted = watched.isDrifted ? isNear : report.state === 'drifted'
    if (isDrifted === watched.isDrifted) return
    watched.isDrifted = isDrifted
    this.#onAlarm({ event: isDrifted ? 'drift' : 'recovered', report })
  }
}

const contentOf = ({ manifest }: LoadedVersion): string =>
  JSON.stringify(Object.values(manifest.files).map(({ sha256 }) => sha256))
