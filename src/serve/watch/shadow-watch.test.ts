import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { sampleManifest } from '../../../test/sample-bundle.ts'
import type { ShadowReport } from '../aliases.ts'
import type { LoadedVersion } from '../bundle-entry.ts'
import { ShadowWatch } from './shadow-watch.ts'

const report: ShadowReport = {
  ...{ name: 'risk', version: '1', shadow: '2' },
  ...{ examples: 4, agreeing: 3, differences: 0.4, largestDifference: 0.3 },
}
const failed: ShadowReport = {
  ...report,
  ...{ examples: 0, agreeing: 0, differences: 0, largestDifference: 0, failure: 'it failed' },
}
const loaded = (version: string, created: string): LoadedVersion => ({
  ...{ name: 'risk', version, manifest: { ...sampleManifest, created, files: {} }, profile: undefined },
  queue: { queued: 0, computing: 0, onBatch: undefined },
})

function fresh(): { watch: ShadowWatch; warnings: string[] } {
  const warnings: string[] = []
  return { watch: new ShadowWatch({ info: () => undefined, warn: (line) => void warnings.push(line) }), warnings }
}

test('what a shadow answered is added up, and its failures are counted and said once', () => {
  const { watch, warnings } = fresh()
  watch.add(failed)
  expect(watch.report('risk')).toEqual([
    {
      ...{ model: 'risk', version: '1', shadow: '2', examples: 0, agreement: null, meanDifference: null },
      ...{ largestDifference: 0, failures: 1, lastFailure: 'it failed' },
    },
  ])
  watch.add(report)
  watch.add({ ...report, examples: 1, agreeing: 1, differences: 0.1, largestDifference: 0.1 })
  watch.add(failed)
  expect(watch.report('risk')).toMatchObject([{ examples: 5, agreement: 0.8, largestDifference: 0.3, failures: 2 }])
  expect(watch.report('risk')[0]!.meanDifference).toBeCloseTo(0.1, 12)
  expect(watch.report('other')).toEqual([])
  expect(warnings).toEqual([
    "version 2 of model 'risk' looks on and could not answer: it failed; GET /models/risk/shadow counts",
  ])
})

test('it begins anew with another model under the same version, and ends with the version', () => {
  const { watch } = fresh()
  watch.onLoaded(loaded('2', '2026-01-01T00:00:00Z'))
  watch.add(report)
  watch.onLoaded(loaded('2', '2026-01-01T00:00:00Z'))
  expect(watch.report('risk')).toHaveLength(1)
  watch.onLoaded(loaded('2', '2026-02-01T00:00:00Z'))
  expect(watch.report('risk')).toEqual([])
  watch.add(report)
  watch.keep((_, version) => version === '1')
  expect(watch.report('risk')).toEqual([])
})

test('Prometheus reads sums, of which it makes the agreement of any time', async () => {
  const { watch } = fresh()
  const registry = new Registry()
  const look = watch.register(registry)
  watch.add(report)
  watch.add(report)
  look()
  look()
  const page = await registry.metrics()
  const of = '{model="risk",version="1",shadow="2"}'
  expect(page).toContain(`quern_shadow_examples_total${of} 8`)
  expect(page).toContain(`quern_shadow_agreeing_total${of} 6`)
  expect(page).toContain(`quern_shadow_failures_total${of} 0`)
  expect(page).toContain(`quern_shadow_largest_difference${of} 0.3`)
})
