import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sampleTablePipeline } from '../../test/sample-table.ts'
import type { Answer, Pipeline, Prediction } from '../bundle/index.ts'
import type { ShadowReport } from './aliases.ts'
import { Catalog, type ModelPipeline } from './catalog.ts'
import { inProcess } from './in-process.ts'
import { withShadow } from './shadow.ts'

let both: Pipeline
let younger: Pipeline
let price: Pipeline
beforeAll(async () => {
  both = await sampleTablePipeline('classification')
  // Trained on one column of the two.
  younger = await sampleTablePipeline('classification', ['age'])
  price = await sampleTablePipeline('regression')
})
afterAll(() => Promise.all([both.release(), younger.release(), price.release()]))

/** The pipeline of version 1 beside the shadow 2, and what is told. */
function shadowed(one: Pipeline, two: Pipeline): { pipeline: ModelPipeline; told: () => Promise<ShadowReport> } {
  const reports: ShadowReport[] = []
  const waiting: ((report: ShadowReport) => void)[] = []
  const log = { info: () => undefined, warn: () => undefined }
  const onShadow = (report: ShadowReport): void => {
    const next = waiting.shift()
    if (next) next(report)
    else reports.push(report)
  }
  const catalog = new Catalog({ clock: { now: () => 0 }, log, onShadow })
  catalog.add(inProcess('risk', '1', one))
  catalog.add(inProcess('risk', '2', two))
  catalog.setAliases('risk', { stable: '1', shadow: '2' })
  const told = (): Promise<ShadowReport> =>
    reports.length > 0 ? Promise.resolve(reports.shift()!) : new Promise((resolve) => waiting.push(resolve))
  return { pipeline: withShadow(one, catalog, 'risk', '1'), told }
}

const rows = [
  { age: 30, income: 10.5 },
  { age: 61, income: 200 },
]
const scoreOf = (answers: readonly unknown[], label: string): number =>
  (answers as Prediction[]).find((answer) => answer.label === label)!.score

describe('a shadow', () => {
  test('is given what was sent, though it reads other columns, and its answers are compared', async () => {
    const { pipeline, told } = shadowed(both, younger)
    const [best] = (await pipeline.predict(rows[0]!, { topK: 1 })) as [Prediction]
    const [other] = (await younger.predict(rows[0]!, { topK: 1 })) as [Prediction]
    const report = await told()
    expect(report).toMatchObject({ name: 'risk', version: '1', shadow: '2', examples: 1 })
    expect(report.failure).toBeUndefined()
    expect(report.agreeing).toBe(best.label === other.label ? 1 : 0)
    // Only what was answered is compared, with all that the shadow says.
    const theirs = scoreOf(await younger.predict(rows[0]!), best.label)
    expect(report.largestDifference).toBeCloseTo(Math.abs(best.score - theirs), 12)
    expect(report.largestDifference).toBeGreaterThan(0)
  })

  test('of several rows sees those that could be answered', async () => {
    const { pipeline, told } = shadowed(both, both)
    const outcomes = []
    const given = [rows[0]!, { age: 'old', income: 1 }, rows[1]!]
    for await (const outcome of pipeline.predictEach(given)) outcomes.push('error' in outcome)
    expect(outcomes).toEqual([false, true, false])
    expect(await told()).toMatchObject({ examples: 2, agreeing: 2, differences: 0, largestDifference: 0 })
    await pipeline.predictBatch(Array.from({ length: 100 }, (_, i) => ({ age: i, income: 3 })))
    expect((await told()).examples).toBe(64)
  })

  test('of tensors is compared where sizes are the same, else it says nothing of what was sent', async () => {
    const data = new Float64Array([30, 10.5, 61, 200])
    const feeds = { numbers: { dtype: 'float64' as const, shape: [2, 2], data } }
    const same = shadowed(both, both)
    await same.pipeline.infer(feeds)
    expect(await same.told()).toMatchObject({ examples: 2, agreeing: 2, largestDifference: 0 })
    const other = shadowed(both, younger)
    await other.pipeline.infer(feeds)
    expect(await other.told()).toMatchObject({ examples: 0, failure: 'it cannot use what the other version could' })
  })

  test('of numbers agrees within a hundredth', async () => {
    const scaled = (by: number): Pipeline => {
      const times = (answers: readonly Answer[]): Answer[] =>
        answers.map((answer) => ('value' in answer ? { ...answer, value: answer.value * by } : answer))
      return {
        manifest: price.manifest,
        infer: (feeds: Parameters<Pipeline['infer']>[0]) => price.infer(feeds),
        predictBatch: async (inputs: Parameters<Pipeline['predictBatch']>[0]) =>
          (await price.predictBatch(inputs)).map(times),
      } as unknown as Pipeline
    }
    for (const [by, agreeing] of [
      [1.009, 1],
      [1.02, 0],
    ] as const) {
      const { pipeline, told } = shadowed(price, scaled(by))
      await pipeline.predict(rows[1]!)
      expect([by, (await told()).agreeing]).toEqual([by, agreeing])
    }
  })

  test('is no shadow of itself', async () => {
    const { pipeline } = shadowed(both, both)
    const log = { info: () => undefined, warn: () => undefined }
    const catalog = new Catalog({ clock: { now: () => 0 }, log })
    catalog.add(inProcess('risk', '2', both))
    catalog.setAliases('risk', { shadow: '2' })
    expect(withShadow(both, catalog, 'risk', '2')).toBe(both)
    expect(pipeline).not.toBe(both)
  })
})
