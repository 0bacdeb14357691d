import { afterAll, describe, expect, test } from 'vitest'
import { exportSample, samplePixels } from '../../../test/sample-bundle.ts'
import { GraphBuilder } from '../../graph/builder.ts'
import type { TensorType, Value } from '../../graph/graph.ts'
import { writeModel } from '../../onnx/write.ts'
import type { PortInfo } from '../../runtime/backend.ts'
import { createNodeBackend } from '../../runtime/onnxruntime-node.ts'
import { defaultBatchSettings } from './batcher.ts'
import { isNear, NearPlace } from './near-place.ts'
import { ScheduledModel } from './scheduler.ts'

const place = new NearPlace({ now: () => performance.now() })
afterAll(() => place.close())

const bytes = exportSample()
const pixels: PortInfo = { name: 'pixels', dtype: 'uint8', shape: ['batch', 1, 12, 12] }
const feeds = (rows: number) => ({
  pixels: { dtype: 'uint8' as const, shape: [rows, 1, 12, 12], data: samplePixels(rows) },
})

/** A model that workers have computed `runs` times, one example in `milliseconds`. */
function measured(runs: number, milliseconds: number): ScheduledModel {
  const model = new ScheduledModel('tiny', defaultBatchSettings)
  for (let run = 0; run < runs; run++) model.measured(1, milliseconds, 1)
  return model
}

/** Asked once, the place makes a session, or none; what it says afterwards. */
async function isTaken(model: ScheduledModel, milliseconds = 5000, asked = place): Promise<boolean> {
  if (asked.has(model, 1)) throw new Error('there is no session yet')
  for (let waited = 0; waited < milliseconds && !asked.has(model, 1); waited += 20) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return asked.has(model, 1)
}

/** A condition chooses one of two branches: sub-graphs, as loops have them. */
function branching(): Uint8Array {
  const type: TensorType = { dtype: 'float32', shape: ['batch', 2] }
  const b = new GraphBuilder('g')
  const x = b.input('x', type)
  const inner = new GraphBuilder('then')
  const [t] = inner.node({ op: 'Tanh', inputs: [x], outputs: [type] })
  const branch = { kind: 'graph', value: inner.finish([t as Value]) } as const
  const attributes = { then_branch: branch, else_branch: branch }
  const condition = b.input('condition', { dtype: 'bool', shape: [] })
  const [y] = b.node({ op: 'If', inputs: [condition], attributes, outputs: [type] })
  return writeModel(b.finish([y as Value])).model
}

describe('the thread of the sockets computes', () => {
  test('what proved short in workers, and gives the same bits', async () => {
    const model = measured(8, 0.1)
    place.consider(model, bytes, bytes, [pixels])
    expect(await isTaken(model)).toBe(true)
    const { results, milliseconds } = await place.run(model, feeds(2), undefined)
    const session = await createNodeBackend().createSession(bytes, { threads: 1 })
    expect(results).toEqual(await session.run(feeds(2)))
    expect(milliseconds).toBeGreaterThan(0)
    await session.release()
    // Of 1 example in 0.1 ms, 16 are expected to take 1.6, until a run of so many was seen.
    expect([place.has(model, 8), place.has(model, 16)]).toEqual([true, false])
    model.measured(29, 0.23, 0.23)
    expect(place.has(model, 29)).toBe(true)
  })

  /** Whether a model of runs of so many ms is taken after batches for a second, so many a second. */
  async function takenUnder(milliseconds: number, rows: number, rates: readonly number[]): Promise<boolean[]> {
    let now = 0
    const own = new NearPlace({ now: () => now })
    const model = measured(8, milliseconds)
    model.measured(rows, milliseconds, milliseconds)
    own.consider(model, bytes, bytes, [pixels])
    own.has(model, 1)
    await new Promise((resolve) => setTimeout(resolve, 500))
    const taken = rates.map((perSecond) => {
      const end = now + 1000
      while (now < end) {
        now += 1000 / perSecond
        own.note(
          model,
          Array.from({ length: rows }, () => ({ rows: 1 })),
        )
      }
      return own.has(model, rows)
    })
    await own.close()
    return taken
  }

  test('no more than a part of its time: what is beyond goes to the workers, until less comes', async () => {
    // 0.5 ms each: a tenth, a half, a tenth of the time. A batch counts once, however many are in it.
    expect(await takenUnder(0.5, 1, [200, 1000, 200])).toEqual([true, false, true])
    expect(await takenUnder(0.5, 20, [200, 1000, 200])).toEqual([true, false, true])
  })

  test('always, what takes no longer than the way to a worker', async () => {
    expect(await takenUnder(0.2, 1, [500, 4000])).toEqual([true, true])
  })

  test('nothing of which too little is known, or that is long', async () => {
    const [young, long] = [measured(7, 0.1), measured(20, 1.1)]
    for (const model of [young, long]) {
      place.consider(model, bytes, bytes, [pixels])
      expect(await isTaken(model, 200)).toBe(false)
    }
  })

  test('no model that became slower, however short one run was', async () => {
    const model = measured(20, 0.1)
    place.consider(model, bytes, bytes, [pixels])
    expect(await isTaken(model)).toBe(true)
    // One run that the system put aside changes little.
    model.measured(1, 500, 500)
    expect(place.has(model, 1)).toBe(true)
    for (let run = 0; run < 90; run++) model.measured(1, 5, 5)
    expect(place.has(model, 1)).toBe(false)
  })

  test('no model whose work a request decides: free sizes and sub-graphs', async () => {
    const [free, loop] = [measured(20, 0.1), measured(20, 0.1)]
    place.consider(free, bytes, bytes, [{ ...pixels, shape: ['batch', 1, 12, 'width'] }])
    place.consider(loop, branching(), branching(), [{ name: 'x', dtype: 'float32', shape: ['batch', 2] }])
    for (const model of [free, loop]) expect(await isTaken(model, 200)).toBe(false)
    expect([isNear(4 * 2 ** 20), isNear(5 * 2 ** 20)]).toEqual([true, false])
  })

  test.each([
    ['in this turn of the loop', createNodeBackend()],
    [
      'in the next, where the runtime cannot do so',
      createNodeBackend({}, () => Promise.reject(new Error('no binding'))),
    ],
  ])('%s; a model that is released under a run finishes it', async (when, backend) => {
    const place = new NearPlace({ now: () => performance.now() }, backend)
    const model = measured(8, 0.1)
    place.consider(model, bytes, bytes, [pixels])
    expect(await isTaken(model, 5000, place)).toBe(true)
    const running = place.run(model, feeds(1), undefined)
    expect(running instanceof Promise).toBe(when !== 'in this turn of the loop')
    await place.release(model)
    const { results, milliseconds } = await running
    expect(results.probabilities!.shape).toEqual([1, 5])
    expect(milliseconds).toBeGreaterThan(0)
    expect(() => place.run(model, feeds(1), undefined)).toThrow("model 'tiny' was unloaded")
  })
})
