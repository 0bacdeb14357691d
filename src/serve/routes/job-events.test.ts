/** The progress of a job as a stream of events: read as browsers read it, until the job has ended, the client leaves or the server stops. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { JobBench, type JobServer, rowsOf } from '../../../test/sample-jobs.ts'
import { answerOf } from '../../../test/sample-server.ts'
import type { Passage } from '../passage.ts'

let bench: JobBench
beforeAll(async () => {
  bench = await JobBench.make()
})
afterEach(() => bench.clear())
afterAll(() => bench.remove())

interface Event {
  readonly event: string
  readonly id: string
  // biome-ignore lint/suspicious/noExplicitAny: a test compares it as a whole
  readonly data: any
}

/** The events of a stream one by one, in the form of the HTML standard. */
async function* eventsOf(answer: Response): AsyncGenerator<Event> {
  let text = ''
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    for (;;) {
      const end = text.indexOf('\n\n')
      if (end < 0) break
      const fields = Object.fromEntries(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => line.split(/: (.*)/s).slice(0, 2)),
      )
      text = text.slice(end + 2)
      yield { ...fields, data: JSON.parse(fields.data) } as Event
    }
  }
  expect(text).toBe('')
}

const follow = ({ ask }: JobServer, id: string, headers = {}, key?: string): Promise<Response> =>
  ask(`/jobs/${id}/events`, { headers }, key)

test('tells each step of a job, and ends with it', async () => {
  const passages: Passage[] = []
  const server = await bench.server({ observers: [(passage) => void passages.push(passage)] })
  const { id } = (await server.post('model=price', rowsOf(900), 'text/csv')).body
  const answer = await follow(server, id)
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream'])
  const events: Event[] = []
  for await (const event of eventsOf(answer)) events.push(event)
  const last = events.at(-1)!
  expect(last).toMatchObject({ event: 'done', id: 'done-900', data: { progress: 1, rows: { done: 900, failed: 0 } } })
  expect(last.data).toEqual((await answerOf(await server.ask(`/jobs/${id}`))).body)
  const done = events.map(({ data }) => data.rows.done)
  expect(done).toEqual([...done].sort((a, b) => a - b))
  expect(events.every(({ event, data }) => event === data.state)).toBe(true)
  // A passage as every other, that ends with the last byte.
  const [passage] = passages.filter(({ what }) => what.endsWith('/events'))
  expect(passage).toMatchObject({ status: 200, what: `GET /jobs/${id}/events`, principal: { id: 'shop' } })
  expect(passage!.bytesOut).toBeGreaterThan(200)

  // A browser whose stream has ended asks again: of what it knows there is no more.
  expect((await follow(server, id, { 'last-event-id': last.id })).status).toBe(204)
  const again = await follow(server, id, { 'last-event-id': 'running-256' })
  for await (const event of eventsOf(again)) expect(event.id).toBe('done-900')
})

test('of a job that waits stays open until it is cancelled, or the client leaves', async () => {
  const passages: Passage[] = []
  const server = await bench.server({ limits: { running: 0 }, observers: [(passage) => void passages.push(passage)] })
  const { id } = (await server.post('model=price', rowsOf(10), 'text/csv')).body
  const stays = eventsOf(await follow(server, id))
  expect((await stays.next()).value).toMatchObject({ event: 'queued', id: 'queued-0', data: { progress: 0 } })

  const leaving = (await follow(server, id)).body!.getReader()
  await leaving.read()
  await leaving.cancel()
  expect(passages.at(-1)).toMatchObject({ status: 499, failure: 'the client left' })

  await server.ask(`/jobs/${id}`, { method: 'DELETE' })
  expect((await stays.next()).value).toMatchObject({ event: 'cancelled' })
  expect((await stays.next()).done).toBe(true)
})

test('of a server that stops ends, and the next server goes on', async () => {
  const first = await bench.server({ limits: { running: 0 } })
  const { id } = (await first.post('model=price', rowsOf(300), 'text/csv')).body
  const events = eventsOf(await follow(first, id))
  await events.next()
  await first.jobs!.close()
  expect((await events.next()).done).toBe(true)
  const second = await bench.server()
  let last: Event | undefined
  for await (const event of eventsOf(await follow(second, id, { 'last-event-id': 'queued-0' }))) last = event
  expect(last).toMatchObject({ event: 'done', data: { rows: { done: 300 } } })
})

test('repeats what it said while nothing happens: whoever is between closes silent connections', async () => {
  let pass = (): void => {}
  const wait = (_: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      pass = resolve
      signal.addEventListener('abort', () => resolve())
    })
  const server = await bench.server({ limits: { running: 0 }, wait })
  const { id } = (await server.post('model=price', rowsOf(10), 'text/csv')).body
  const events = eventsOf(await follow(server, id))
  const first = (await events.next()).value
  const second = events.next()
  await new Promise((resolve) => setImmediate(resolve))
  pass()
  expect((await second).value).toEqual(first)
  await events.return(undefined)
})

test('are those of the key alone, and of jobs that there are', async () => {
  const server = await bench.server()
  const { id } = (await server.post('model=price', rowsOf(10), 'text/csv')).body
  expect((await follow(server, id, {}, 'other')).status).toBe(404)
  const { status, body } = await answerOf(await follow(server, 'nothing'))
  expect([status, body.error]).toEqual([404, 'there is no job "nothing"; GET /jobs lists them'])
})
