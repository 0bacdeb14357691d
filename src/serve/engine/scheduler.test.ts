import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Tensor } from '../../core/tensor.ts'
import { float32 } from '../../core/tensor.ts'
import type { RequestError } from '../request-error.ts'
import type { BatchSettings } from './batcher.ts'
import { type Place, ScheduledModel, Scheduler } from './scheduler.ts'

/** Time that moves when it is told to: timers of it, and what is due soon, run in the order of their times. */
function virtualTime() {
  let now = 0
  let count = 0
  let due: { at: number; order: number; callback: () => void }[] = []
  const after = (callback: () => void, milliseconds: number) => {
    const entry = { at: now + milliseconds, order: count++, callback }
    due.push(entry)
    const cancel = () => {
      due = due.filter((other) => other !== entry)
    }
    return { cancel }
  }
  /** Promises that are settled go on before time does. */
  const settle = async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }
  const runUntil = async (end: number) => {
    for (;;) {
      await settle()
      const [next] = due.sort((a, b) => a.at - b.at || a.order - b.order)
      if (!next || next.at > end) break
      due.shift()
      now = Math.max(now, next.at)
      next.callback()
    }
    now = Math.max(now, end === Infinity ? now : end)
  }
  return {
    clock: { now: () => now },
    timers: { soon: (callback: () => void) => void after(callback, 0), after },
    after,
    runUntil,
  }
}

type Time = ReturnType<typeof virtualTime>

/** A place that doubles each row, takes 1 ms and 0.1 ms a row, and notes when each batch began. */
function doubler(time: Time, batches: number[], cost = (rows: number) => 1 + 0.1 * rows): Place {
  return {
    has: () => true,
    run: (_model, feeds, outputs) => {
      const { x } = feeds as { x: Tensor<Float32Array> }
      const rows = x.shape[0]!
      batches.push(rows)
      if (x.data.some(Number.isNaN)) {
        return new Promise((_, reject) => void time.after(() => reject(new Error('not a number')), 1))
      }
      const results: Record<string, Tensor> = {}
      for (const name of outputs ?? ['y'])
        results[name] = float32(
          x.shape,
          x.data.map((value) => value * 2),
        )
      const milliseconds = cost(rows)
      return new Promise((resolve) => void time.after(() => resolve({ results, milliseconds }), milliseconds))
    },
  }
}

const settings: BatchSettings = { maxRows: 8, maxDelayMilliseconds: 0, maxQueued: 50 }

function setUp(more: Partial<BatchSettings> = {}, places = 1, cost?: (rows: number) => number) {
  const time = virtualTime()
  const scheduler = new Scheduler(time)
  const model = new ScheduledModel('m', { ...settings, ...more })
  const batches: number[] = []
  scheduler.addModel(model)
  for (let i = 0; i < places; i++) scheduler.addPlace(doubler(time, batches, cost))
  const ask = (values: readonly number[], options = {}) =>
    scheduler.run(model, { x: float32([values.length, 1], values) }, undefined, options)
  return { time, scheduler, model, batches, ask }
}

const failed = ({ status }: RequestError): number => status
const failure = (promise: Promise<unknown>): Promise<RequestError> =>
  promise.then(
    () => {
      throw new Error('it did not fail')
    },
    (error) => error,
  )

describe('requests', () => {
  test('of one turn become one batch; of the next, one batch while the first computes', async () => {
    const { time, batches, ask } = setUp()
    const first = [ask([1]), ask([2, 3])]
    await time.runUntil(0.5)
    const second = [ask([4]), ask([5])]
    await time.runUntil(Infinity)
    expect(batches).toEqual([3, 2])
    const [a, b] = await Promise.all(first)
    expect([a!.y!.data, b!.y!.data, b!.y!.shape]).toEqual([new Float32Array([2]), new Float32Array([4, 6]), [2, 1]])
    expect((await Promise.all(second)).map(({ y }) => y!.data[0])).toEqual([8, 10])
  })

  test('get their own rows, all of them, once, whatever comes when', async () => {
    const request = fc.record({
      at: fc.integer({ min: 0, max: 30 }),
      rows: fc.integer({ min: 1, max: 12 }),
      priority: fc.integer({ min: -1, max: 1 }),
      patience: fc.integer({ min: 1, max: 60 }),
      leavesAfter: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
      output: fc.constantFrom(undefined, ['y'], ['z']),
    })
    const shape = fc.record({
      places: fc.integer({ min: 1, max: 3 }),
      maxRows: fc.integer({ min: 1, max: 10 }),
      maxDelayMilliseconds: fc.integer({ min: 0, max: 5 }),
      maxQueued: fc.integer({ min: 1, max: 20 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 40 }), shape, async (requests, { places, ...more }) => {
        const { time, scheduler, model, batches } = setUp(more, places)
        let value = 0
        let settled = 0
        const answers = requests.map(({ at, rows, priority, patience, leavesAfter, output }) => {
          const values = Array.from({ length: rows }, () => ++value)
          const abort = new AbortController()
          if (leavesAfter !== undefined) time.after(() => abort.abort(), at + leavesAfter)
          const deadline = at + patience
          return new Promise<void>((resolve, reject) => {
            time.after(() => {
              let startedAt: number | undefined
              scheduler
                .run(model, { x: float32([rows, 1], values) }, output, {
                  signal: abort.signal,
                  deadline,
                  priority,
                  onRun: ({ queuedMilliseconds }) => {
                    startedAt = at + queuedMilliseconds
                  },
                })
                .then(
                  (results) => {
                    settled++
                    // Its own rows, begun before its deadline.
                    expect(Object.keys(results)).toEqual(output ?? ['y'])
                    expect([...Object.values(results)[0]!.data]).toEqual(values.map((v) => v * 2))
                    expect(startedAt!).toBeLessThan(deadline)
                    expect(startedAt!).toBeGreaterThanOrEqual(at)
                  },
                  (error: RequestError) => {
                    settled++
                    expect([499, 503, 504]).toContain(error.status)
                    if (error.status === 503) expect(time.clock.now()).toBe(at)
                    if (error.status === 504) expect(time.clock.now()).toBeGreaterThanOrEqual(deadline)
                  },
                )
                .then(resolve, reject)
            }, at)
          })
        })
        await time.runUntil(Infinity)
        await Promise.all(answers)
        expect(settled).toBe(requests.length)
        expect(model.queued + model.computing + model.batcher.rows).toBe(0)
        const largest = Math.max(0, ...requests.map(({ rows }) => rows))
        for (const rows of batches) expect(rows).toBeLessThanOrEqual(Math.max(more.maxRows, largest))
      }),
      { numRuns: 300 },
    )
  })

  test('with other sizes, or other outputs, are not mixed', async () => {
    const { time, scheduler, model, batches } = setUp()
    const wide = (width: number, outputs?: string[]) =>
      scheduler.run(model, { x: float32([1, width], new Array(width).fill(1)) }, outputs)
    const all = [wide(1), wide(2), wide(1), wide(1, ['z'])]
    await time.runUntil(Infinity)
    await Promise.all(all)
    expect(batches).toEqual([2, 1, 1])
  })

  test('that are wrong do not fail their neighbours', async () => {
    const { time, batches, ask } = setUp()
    const all = [ask([1]), ask([Number.NaN]), ask([3])]
    const failed = failure(all[1]!)
    await time.runUntil(Infinity)
    expect((await all[0]!).y!.data[0]).toBe(2)
    expect((await all[2]!).y!.data[0]).toBe(6)
    expect((await failed).message).toBe('not a number')
    expect(batches).toEqual([3, 1, 1, 1])
  })
})

describe('the queue', () => {
  test('serves priorities first, then in order', async () => {
    const { time, ask } = setUp({ maxRows: 1 })
    const order: string[] = []
    const note = (name: string) => () => void order.push(name)
    const first = ask([0]).then(note('first'))
    await time.runUntil(0.1)
    const rest = [
      ask([1], { priority: 0 }).then(note('a')),
      ask([2], { priority: 5 }).then(note('plan')),
      ask([3], { priority: -10 }).then(note('job')),
      ask([4], { priority: 0 }).then(note('b')),
    ]
    await time.runUntil(Infinity)
    await Promise.all([first, ...rest])
    expect(order).toEqual(['first', 'plan', 'a', 'b', 'job'])
  })

  test('is bounded, and says when to come again', async () => {
    const { time, ask } = setUp({ maxQueued: 2, maxRows: 1 }, 1, () => 3000)
    const warm = ask([0])
    await time.runUntil(3000)
    const taken = [ask([0])]
    await time.runUntil(3001)
    taken.push(ask([1]), ask([2]))
    const refused = await failure(ask([3]))
    expect(refused.status).toBe(503)
    expect(refused.message).toBe("model 'm' has 2 requests waiting")
    expect(refused.retryAfterSeconds).toBe(9)
    await time.runUntil(Infinity)
    await Promise.all([warm, ...taken])
  })

  test('refuses at once what it could not answer in time', async () => {
    const { time, ask } = setUp({ maxRows: 1 }, 1, () => 100)
    const warm = ask([0])
    await time.runUntil(200)
    const taken = [ask([0]), ask([1]), ask([2])]
    const late = await failure(ask([3], { deadline: 900 }))
    expect([late.status, late.message]).toEqual([503, "model 'm' cannot answer in time: the wait is 300 ms"])
    const inTime = ask([3], { deadline: 950 })
    await time.runUntil(Infinity)
    await Promise.all([warm, inTime, ...taken])
  })

  test('makes batches of a slow model no longer than its requests may take', async () => {
    // 1 s an example, which nobody knew when the eight were taken: in one run all would be late, half of them are not.
    const { time, batches, ask } = setUp({}, 1, (rows) => 1000 * rows)
    const asked = Array.from({ length: 9 }, (_, i) => ask([i], { deadline: 6000 }).then(() => time.clock.now(), failed))
    await time.runUntil(Infinity)
    expect(batches).toEqual([1, 4, 1])
    expect(await Promise.all(asked)).toEqual([1000, 5000, 5000, 5000, 5000, 6000, 504, 504, 504])
  })

  test('does not go by one slow run for ever', async () => {
    let cost = 10_000
    const { time, batches, ask } = setUp({}, 1, () => cost)
    const slow = ask([0])
    await time.runUntil(10_000)
    await slow
    cost = 10
    const soon = () => ask([1], { deadline: time.clock.now() + 5000 })
    // Nobody came for ten seconds: one is taken. Those who come behind it are refused.
    const probe = soon()
    expect((await failure(soon())).status).toBe(503)
    for (let i = 0; i < 20; i++) {
      await time.runUntil(time.clock.now() + 1000)
      const [answer] = await Promise.all([soon(), time.runUntil(time.clock.now() + 10)])
      expect(answer.y!.data[0]).toBe(2)
    }
    await probe
    // By now it is known to be quick.
    const [first, second] = [soon(), soon()]
    await time.runUntil(Infinity)
    await Promise.all([first, second])
    expect(batches.length).toBeGreaterThan(22)
  })

  test('takes as many as it can answer, though a batch of the past was longer than they may take', async () => {
    const { time, ask } = setUp({}, 1, (rows) => 1000 * rows)
    const before = Array.from({ length: 8 }, (_, i) => ask([i]))
    await time.runUntil(8000)
    await Promise.all(before)
    const alone = ask([0])
    await time.runUntil(9000)
    await alone
    const start = time.clock.now()
    const asked = Array.from({ length: 4 }, (_, i) => ask([i], { deadline: start + 6000 }).then(() => 200, failed))
    await time.runUntil(Infinity)
    expect(await Promise.all(asked)).toEqual([200, 200, 200, 503])
  })

  test('lets a request wait for neighbours only while another batch computes', async () => {
    const { time, batches, ask } = setUp({ maxDelayMilliseconds: 4 }, 2, () => 10)
    const answers = [ask([1])]
    await time.runUntil(1)
    // A worker is free, but a batch is under way: it waits up to 4 ms for more.
    answers.push(ask([2]))
    await time.runUntil(3)
    answers.push(ask([3]))
    await time.runUntil(4.9)
    expect(batches).toEqual([1])
    await time.runUntil(5)
    expect(batches).toEqual([1, 2])
    await time.runUntil(Infinity)
    await Promise.all(answers)
  })

  test('at four times the capacity: those who are taken are answered in time, the others are refused at once, the worker never rests', async () => {
    // 10 ms each, but every tenth takes 40: 77 a second on one worker.
    let count = 0
    const { time, ask } = setUp({ maxRows: 1 }, 1, () => (count++ % 10 === 9 ? 40 : 10))
    const [seconds, deadline] = [10, 200]
    const answered: number[] = []
    const refused: RequestError[] = []
    for (let i = 0; i < seconds * 308; i++) {
      const at = (i * 1000) / 308
      time.after(() => {
        ask([i], { deadline: at + deadline }).then(
          () => answered.push(time.clock.now() - at),
          (error: RequestError) => {
            expect(time.clock.now()).toBe(at)
            refused.push(error)
          },
        )
      }, at)
    }
    await time.runUntil(seconds * 1000 + deadline)
    expect(answered.length + refused.length).toBe(seconds * 308)
    expect(answered.length).toBeGreaterThan(0.97 * seconds * 77)
    expect(Math.max(...answered)).toBeLessThan(deadline)
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([503]))
    // When the load is gone, the queue is too.
    const recovered = ask([0], { deadline: time.clock.now() + 60 })
    await time.runUntil(Infinity)
    expect((await recovered).y!.data[0]).toBe(0)
  })

  test('sleeps while all places that take the model compute, though another one is idle', async () => {
    const { time, scheduler, ask } = setUp({ maxRows: 1 })
    let looks = 0
    const has = (): boolean => {
      // Virtual time would stand still for ever.
      if (++looks > 100) throw new Error('it looks all the time')
      return false
    }
    scheduler.addPlace({ isSpare: true, has, run: () => Promise.reject(new Error('it has no model')) })
    const answers = [1, 2, 3, 4].map((value) => ask([value], { deadline: 1000 }))
    await time.runUntil(100)
    expect((await Promise.all(answers)).map(({ y }) => y!.data[0])).toEqual([2, 4, 6, 8])
  })

  test('a place of small batches is first, for those alone', async () => {
    const time = virtualTime()
    const scheduler = new Scheduler(time)
    const model = new ScheduledModel('m', settings)
    const [near, far]: [number[], number[]] = [[], []]
    scheduler.addModel(model)
    scheduler.addPlace({ ...doubler(time, near), isSpare: true, has: (_, rows) => rows <= 2 })
    scheduler.addPlace(doubler(time, far))
    const answers: Promise<unknown>[] = []
    for (const sizes of [[1], [1, 1], [3], [1, 1, 1], [2]]) {
      for (const rows of sizes)
        answers.push(scheduler.run(model, { x: float32([rows, 1], new Array(rows).fill(1)) }, undefined))
      await time.runUntil(time.clock.now() + 10)
    }
    await Promise.all(answers)
    expect([near, far]).toEqual([
      [1, 2, 2],
      [3, 3],
    ])
  })

  test('forgets who left, and who waits when a model goes', async () => {
    const { time, scheduler, model, batches, ask } = setUp({ maxRows: 1 })
    const abort = new AbortController()
    const first = ask([0])
    await time.runUntil(0.1)
    const gone = failure(ask([1], { signal: abort.signal }))
    const unloaded = failure(ask([2]))
    abort.abort()
    expect((await gone).status).toBe(499)
    scheduler.removeModel(model)
    expect((await unloaded).message).toBe("model 'm' was unloaded")
    await time.runUntil(Infinity)
    await first
    expect(batches).toEqual([1])
  })
})
