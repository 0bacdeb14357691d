import { beforeEach, describe, expect, test } from 'vitest'
import type { EpochEvent, StartedEvent, StepEvent, TrainEvent } from '../contract/events.ts'
import type { AppendableBlobStore } from './blobs.ts'
import { createRunStore, type Machine } from './file-runs.ts'
import { createMemoryBlobs } from './memory-blobs.ts'
import type { RunStore } from './runs.ts'

const start = Date.UTC(2026, 10, 23, 14, 15, 2, 250)
let now = start
const clock = { now: () => now }
let alive = new Set<number>()
const machine = (pid: number, host = 'here'): Machine => ({ pid, host, isAlive: (other) => alive.has(other) })

let files: AppendableBlobStore
let store: RunStore
beforeEach(() => {
  now = start
  alive = new Set([100, 200])
  files = createMemoryBlobs()
  store = createRunStore(files, clock, machine(100))
})

const wanted = { name: 'My App', task: 'image-classification', config: { seed: 1 }, environment: { node: '20' } }
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

const started = (resumedAt?: number): StartedEvent => ({
  type: 'started',
  parameters: 10,
  examples: { train: 10, validation: 0 },
  epochs: 2,
  stepsPerEpoch: 2,
  batchSize: 5,
  seed: 0,
  device: 'cpu',
  ...(resumedAt === undefined ? {} : { resumedAt }),
})
const step = (n: number): StepEvent => ({
  type: 'step',
  step: n,
  epoch: 1,
  stepOfEpoch: n,
  loss: 1,
  scores: {},
  learningRate: 0.1,
})
const epoch = (n: number, at: number): EpochEvent => ({
  type: 'epoch',
  epoch: n,
  step: at,
  train: { loss: 1 },
  learningRate: 0.1,
  seconds: 1,
  best: true,
})

describe('ids', () => {
  test('sort by time and hold the name', async () => {
    expect((await store.create(wanted)).id).toBe('20261123-141502-my-app')
    now += 60_000
    expect((await store.create(wanted)).id).toBe('20261123-141602-my-app')
    expect((await store.list()).map(({ id }) => id)).toEqual(['20261123-141602-my-app', '20261123-141502-my-app'])
  })

  test('of the same second get a suffix, also when they start at once', async () => {
    const ids = (await Promise.all(Array.from({ length: 12 }, () => store.create(wanted)))).map(({ id }) => id)
    expect(new Set(ids).size).toBe(12)
    expect(ids).toContain('20261123-141502-my-app-12')
    expect((await store.list())[0]!.id).toBe('20261123-141502-my-app-12')
  })
})

describe('open', () => {
  test('by id, by a beginning, and the latest', async () => {
    const first = await store.create(wanted)
    now += 3_600_000
    const second = await store.create(wanted)
    expect((await store.open(first.id)).id).toBe(first.id)
    expect((await store.open('20261123-14')).id).toBe(first.id)
    expect((await store.open('latest')).id).toBe(second.id)
    expect(await (await store.open('latest')).config()).toEqual({ seed: 1 })
  })

  test('an id that others begin with is itself', async () => {
    const first = await store.create(wanted)
    await store.create(wanted)
    expect((await store.open(first.id)).id).toBe(first.id)
  })

  test('an ambiguous beginning names the runs', async () => {
    await store.create(wanted)
    await store.create(wanted)
    await expect(store.open('2026')).rejects.toMatchObject({
      kind: 'missing',
      message: expect.stringMatching(/^'2026' is the beginning of 2 runs: 20261123-141502-my-app(-2)?, 2026/),
    })
  })

  test('an unknown id names the nearest', async () => {
    await store.create(wanted)
    await expect(store.open('20261123-141503-my-app')).rejects.toMatchObject({
      kind: 'missing',
      hint: expect.stringContaining("Did you mean '20261123-141502-my-app'?"),
    })
  })

  test('without runs it says how to start one', async () => {
    await expect(store.open('latest')).rejects.toMatchObject({ kind: 'missing', hint: 'Start one: quern train' })
  })
})

describe('status', () => {
  test('is changed in part, and the time is noted', async () => {
    const run = await store.create(wanted)
    now += 5000
    await Promise.all([
      run.update({ step: 7 }),
      run.update({ state: 'finished' }),
      run.update({ scores: { loss: 0.5 } }),
    ])
    expect(await run.status()).toEqual({
      id: run.id,
      name: 'My App',
      task: 'image-classification',
      state: 'finished',
      started: '2026-11-23T14:15:02.250Z',
      updated: '2026-11-23T14:15:07.250Z',
      epochs: 0,
      step: 7,
      scores: { loss: 0.5 },
    })
  })

  test('a run whose process died is interrupted, until another goes on with it', async () => {
    const { id } = await store.create(wanted)
    const other = createRunStore(files, clock, machine(200))
    expect((await (await other.open(id)).status()).state).toBe('running')
    alive.delete(100)
    const run = await other.open(id)
    expect((await run.status()).state).toBe('interrupted')
    await run.update({ state: 'running' })
    expect(await run.status()).toMatchObject({ state: 'running', process: { pid: 200, host: 'here' } })
  })

  test('on another machine, or with a number that is used again, silence decides', async () => {
    const { id } = await store.create(wanted)
    const there = createRunStore(files, clock, machine(100, 'there'))
    const here = createRunStore(files, clock, machine(200))
    now += 600_000
    expect((await (await there.open(id)).status()).state).toBe('running')
    now += 3_600_000
    expect((await (await there.open(id)).status()).state).toBe('interrupted')
    expect((await (await here.open(id)).status()).state).toBe('interrupted')
  })

  test('recording events is a sign of life', async () => {
    const run = await store.create(wanted)
    now += 3_600_000
    await run.record(step(42))
    const there = createRunStore(files, clock, machine(1, 'there'))
    expect(await (await there.open(run.id)).status()).toMatchObject({ state: 'running', step: 42 })
  })

  test.each([
    ['torn', '{"id": "x", "sta'],
    ['empty', ''],
    ['another thing', '[]'],
    ['null', 'null'],
  ])('a damaged run is listed with the reason: %s', async (_, content) => {
    const good = await store.create({ ...wanted, name: 'good' })
    const bad = await store.create({ ...wanted, name: 'bad' })
    await bad.files.write('status.json', text(content))
    await files.write('strange/notes.txt', text('x'))
    const list = await store.list()
    expect(list.map(({ id, state }) => [id, state])).toEqual([
      [good.id, 'running'],
      [bad.id, 'failed'],
      ['strange', 'failed'],
    ])
    expect(list[1]).toMatchObject({ started: '2026-11-23T14:15:02.000Z', name: 'bad' })
    expect(list[1]!.error).toContain('status.json cannot be read')
  })
})

describe('events', () => {
  test('one step a second is kept, everything else always', async () => {
    const run = await store.create(wanted)
    await run.record(started())
    for (let n = 1; n <= 20; n++, now += 100) await run.record(step(n))
    await run.record(epoch(1, 20))
    const kept = await (await store.open(run.id)).events()
    expect(kept.map((event) => ('step' in event ? event.step : event.type))).toEqual(['started', 1, 11, 20])
  })

  test('a torn last line is ignored and mended before the next', async () => {
    const run = await store.create(wanted)
    await run.record(epoch(1, 2))
    await files.append(`${run.id}/events.jsonl`, text('{"type":"epoch","epo'))
    const again = await store.open(run.id)
    expect(await again.events()).toEqual([epoch(1, 2)])
    await again.record(epoch(2, 4))
    expect(await again.events()).toEqual([epoch(1, 2), epoch(2, 4)])
  })

  test('a damaged line is named', async () => {
    const run = await store.create(wanted)
    await run.record(started())
    await files.append(`${run.id}/events.jsonl`, text('rubbish\n'))
    await expect(run.events()).rejects.toMatchObject({ kind: 'input', message: expect.stringContaining('line 2') })
  })

  test('what was done again after a resumption appears once', async () => {
    const run = await store.create(wanted)
    const first: TrainEvent[] = [started(), epoch(1, 2), { ...step(3), epoch: 2 }, { ...step(4), epoch: 2 }]
    const then: TrainEvent[] = [started(2), epoch(2, 4)]
    for (const event of [...first, ...then]) {
      now += 2000
      await run.record(event)
    }
    expect(await run.events()).toEqual([started(), epoch(1, 2), ...then])
  })

  test('a run without events has none', async () => {
    expect(await (await store.create(wanted)).events()).toEqual([])
  })
})
