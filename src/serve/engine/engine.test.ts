import type { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportSample, samplePixels } from '../../../test/sample-bundle.ts'
import type { Tensor } from '../../core/tensor.ts'
import { createNodeBackend } from '../../runtime/onnxruntime-node.ts'
import { defaultBatchSettings } from './batcher.ts'
import { Engine, type EngineModel } from './engine.ts'

const lines: string[] = []
const log = { info: (line: string) => void lines.push(line), warn: (line: string) => void lines.push(`! ${line}`) }
let engine: Engine
let model: EngineModel
beforeAll(async () => {
  engine = new Engine({ workers: 2, clock: { now: () => performance.now() }, log })
  model = await engine.load('tiny', exportSample(), defaultBatchSettings)
})
afterAll(() => engine.close())

const pixels = (count: number): Tensor => ({ dtype: 'uint8', shape: [count, 1, 12, 12], data: samplePixels(count) })

describe('an engine of real threads', () => {
  test('gives the bits that a session in this thread gives, alone and in batches', async () => {
    const session = await createNodeBackend().createSession(exportSample(), { threads: 1 })
    const rows: number[] = []
    Object.assign(model.queue, { onBatch: (count: number) => void rows.push(count) })
    const sizes = [1, 2, 3, 1, 4, 1, 1, 7]
    const answers = await Promise.all(sizes.map((size) => model.run({ pixels: pixels(size) }, undefined)))
    for (const [i, size] of sizes.entries()) {
      const expected = await session.run({ pixels: pixels(size) })
      expect(answers[i]!.probabilities!.shape).toEqual([size, 5])
      expect([...answers[i]!.probabilities!.data]).toEqual([...expected.probabilities!.data])
    }
    expect(rows.reduce((sum, count) => sum + count)).toBe(20)
    expect(Math.max(...rows)).toBeGreaterThan(1)
    await session.release()
  })

  test('leaves the memory of a request alone', async () => {
    const whole = new Uint8Array(1000).fill(7)
    const feeds = { pixels: { dtype: 'uint8' as const, shape: [1, 1, 12, 12], data: whole.subarray(10, 154) } }
    await model.run(feeds, ['probabilities'])
    expect(whole.every((value) => value === 7)).toBe(true)
  })

  test('says what the runtime does not accept', async () => {
    await expect(engine.load('bad', new Uint8Array([1, 2, 3]), defaultBatchSettings)).rejects.toThrow(
      'the runtime does not accept the model',
    )
  })

  test('a model that is released under a run finishes it', async () => {
    const short = await engine.load('short', exportSample(), defaultBatchSettings)
    const running = short.run({ pixels: pixels(3) }, undefined)
    await new Promise((resolve) => setImmediate(resolve))
    await Promise.all([short.release(), running])
    expect((await running).probabilities!.shape).toEqual([3, 5])
  })

  test('answers at the deadline, though a run that has begun goes on', async () => {
    const long = await engine.load('long', exportSample(), defaultBatchSettings)
    const start = performance.now()
    const running = long.run({ pixels: pixels(20_000) }, undefined, { deadline: start + 20 })
    await expect(running).rejects.toMatchObject({ status: 504, message: 'the time for this request is over' })
    const late = performance.now() - start
    // In its own time it is answered.
    const answers = await long.run({ pixels: pixels(20_000) }, undefined, { deadline: performance.now() + 60_000 })
    expect(answers.probabilities!.shape).toEqual([20_000, 5])
    expect(late).toBeLessThan((performance.now() - start) / 2)
    await long.release()
  })

  test('leaves no timer that a process would wait for when all is answered, such as the deadlines of what waited', async () => {
    const quick = await engine.load('quick', exportSample(), defaultBatchSettings)
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const run = () => quick.run({ pixels: pixels(1) }, undefined, { deadline: performance.now() + 60_000 })
    // Until it is computed in this thread too: while all places are busy, what waits is looked at again at its deadline.
    for (let i = 0; i < 200; i++) await run()
    await new Promise((resolve) => setTimeout(resolve, 300))
    const before = timers()
    for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 200 }, run))
    expect(timers()).toBe(before)
    await quick.release()
  })

  test('that is closed finishes the runs that it is at, and its threads end', async () => {
    const ending: Promise<void>[] = []
    const seen = (worker: Worker): void =>
      void ending.push(new Promise((resolve) => worker.once('exit', () => resolve())))
    process.on('worker', seen)
    const other = new Engine({ workers: 2, clock: { now: () => performance.now() }, log })
    const busy = await other.load('busy', exportSample(), defaultBatchSettings)
    process.off('worker', seen)
    // So long that each thread is in the middle of one.
    const runs = [1, 2].map(() => busy.run({ pixels: pixels(20_000) }, undefined))
    await new Promise((resolve) => setTimeout(resolve, 20))
    await other.close()
    for (const answers of await Promise.all(runs)) expect(answers.probabilities!.shape).toEqual([20_000, 5])
    expect(ending).toHaveLength(2)
    await Promise.all(ending)
  })
})
