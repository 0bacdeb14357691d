/** What versions that only look on would have answered, added up: whether one may take over is read from it, before it answers anybody. */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { Log } from '../../core/ports.ts'
import type { ShadowReport } from '../aliases.ts'
import type { LoadedVersion } from '../bundle-entry.ts'
import type { GaugeSource } from './metrics.ts'

/** Of one version that looks on at another. */
export interface ShadowSummary {
  readonly model: string
  /** that answered */
  readonly version: string
  readonly shadow: string
  /** since the server began, or since one of the two was replaced */
  readonly examples: number
  /** share of them: the same best class, or a number that differs by no more than a hundredth; null before the first */
  readonly agreement: number | null
  /** of scores, or of numbers in the target's unit */
  readonly meanDifference: number | null
  readonly largestDifference: number
  /** requests that could not be compared, and why the last one was not */
  readonly failures: number
  readonly lastFailure?: string
}

interface Watched {
  readonly of: Pick<ShadowReport, 'name' | 'version' | 'shadow'>
  examples: number
  agreeing: number
  differences: number
  largestDifference: number
  failures: number
  lastFailure: string | undefined
}

export class ShadowWatch implements GaugeSource {
  readonly #log: Log
  readonly #pairs = new Map<string, Watched>()
  /** when the model of a version was made, by its address */
  readonly #made = new Map<string, string>()

  constructor(log: Log) {
    this.#log = log
  }

  add({ name, version, shadow, failure, ...compared }: ShadowReport): void {
    const key = `${name}/${version}/${shadow}`
    const pair = this.#pairs.get(key) ?? {
      of: { name, version, shadow },
      ...{ examples: 0, agreeing: 0, differences: 0, largestDifference: 0, failures: 0, lastFailure: undefined },
    }
    this.#pairs.set(key, pair)
    pair.examples += compared.examples
    pair.agreeing += compared.agreeing
    pair.differences += compared.differences
    pair.largestDifference = Math.max(pair.largestDifference, compared.largestDifference)
    if (failure === undefined) return
    pair.failures++
    // Said once for each reason: it may be so at every request.
    if (failure !== pair.lastFailure) {
      this.#log.warn(
        `version ${shadow} of model '${name}' looks on and could not answer: ${failure}; GET /models/${name}/shadow counts`,
      )
    }
    pair.lastFailure = failure
  }

  /** Of another model under the same version nothing is known yet. */
  onLoaded({ name, version, manifest }: LoadedVersion): void {
    const address = `${name}/${version}`
    const before = this.#made.get(address)
    this.#made.set(address, manifest.created)
    if (before === undefined || before === manifest.created) return
    this.#forget((of) => of.name === name && (of.version === version || of.shadow === version))
  }

  /** Forgets versions that are no longer there. */
  keep(isThere: (model: string, version: string) => boolean): void {
    this.#forget(({ name, version, shadow }) => !isThere(name, version) || !isThere(name, shadow))
  }

  report(model: string): ShadowSummary[] {
    return [...this.#pairs.values()].filter(({ of }) => of.name === model).map(summaryOf)
  }

  register(registry: Registry): () => void {
    const labelNames = ['model', 'version', 'shadow'] as const
    const registers = [registry]
    const counter = (name: string, help: string): Counter<(typeof labelNames)[number]> =>
      new Counter({ name: `quern_shadow_${name}_total`, help, labelNames: [...labelNames], registers })
    const examples = counter('examples', 'Examples that a version which only looks on was compared at')
    const agreeing = counter('agreeing', 'Of them: the same best class, or a number within a hundredth')
    const failures = counter('failures', 'Requests at which it could not be compared')
    const largest = new Gauge({
      name: 'quern_shadow_largest_difference',
      help: 'Largest difference of scores, or of numbers',
      labelNames: [...labelNames],
      registers,
    })
    return () => {
      for (const each of [examples, agreeing, failures, largest]) each.reset()
      for (const pair of this.#pairs.values()) {
        const labels = { model: pair.of.name, version: pair.of.version, shadow: pair.of.shadow }
        examples.inc(labels, pair.examples)
        agreeing.inc(labels, pair.agreeing)
        failures.inc(labels, pair.failures)
        largest.set(labels, pair.largestDifference)
      }
    }
  }

  #forget(isGone: (of: Watched['of']) => boolean): void {
    for (const [key, { of }] of this.#pairs) if (isGone(of)) this.#pairs.delete(key)
  }
}

function summaryOf({ of, examples, agreeing, differences, ...rest }: Watched): ShadowSummary {
  const { largestDifference, failures, lastFailure } = rest
  return {
    ...{ model: of.name, version: of.version, shadow: of.shadow, examples },
    agreement: examples === 0 ? null : agreeing / examples,
    meanDifference: examples === 0 ? null : differences / examples,
    ...{ largestDifference, failures },
    ...(lastFailure === undefined ? {} : { lastFailure }),
  }
}
