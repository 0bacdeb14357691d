/** Clients that take their time, on purpose: none keeps a connection, a model or the end of the server for longer than it may. */
import { afterEach, expect, test } from 'vitest'
import { dial, inferBody, type LiveServer, liveServer, until } from './live-server.ts'

const patience = { headers: 300, request: 600, betweenRequests: 300, silence: 100, check: 50 }
let live: LiveServer
afterEach(() => live.close())

/** Writes a piece every 20 ms, as long as the connection lasts. */
function trickle(line: ReturnType<typeof dial>, piece: () => string): void {
  const timer = setInterval(() => line.socket.write(piece()), 20)
  line.socket.on('close', () => clearInterval(timer))
}

const head = (length: number): string =>
  `POST /v2/models/tiny/infer HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n`

test('headers, bodies and pauses that never end; others are answered meanwhile', async () => {
  live = await liveServer({ patience })
  const { server, passages } = live
  const [headers, bodies, silent, idle] = [0, 1, 2, 3].map(() => Array.from({ length: 20 }, () => dial(server.url)))
  let count = 0
  for (const line of headers!) {
    line.socket.write(head(100))
    trickle(line, () => `x-slow-${count++}: 1\r\n`)
  }
  for (const line of bodies!) {
    line.socket.write(`${head(1_000_000)}\r\n`)
    trickle(line, () => '[')
  }
  const text = inferBody(1)
  for (const line of idle!) line.socket.write(`${head(text.length)}\r\n${text}`)
  const answer = await fetch(`${server.url}/v2/models/tiny/infer`, { method: 'POST', body: text })
  expect(answer.status).toBe(200)
  for (const line of [...headers!, ...bodies!]) expect(await line.ended).toMatch(/^(?:HTTP\/1\.1 408 |$)/)
  for (const line of silent!) expect(await line.ended).toMatch(/^(?:HTTP\/1\.1 408 |$)/)
  for (const line of idle!) expect(await line.ended).toMatch(/^HTTP\/1\.1 200 /)
  const late = passages.filter(({ status }) => status === 408)
  expect(late.filter(({ what }) => what === 'unreadable').length).toBe(40)
  expect(late.filter(({ what }) => what === 'POST /v2/models/tiny/infer').length).toBe(20)
  expect(passages.filter(({ status }) => status === 499)).toEqual([])
})

test('answers that nobody reads end', async () => {
  live = await liveServer({ patience, limits: { maxMilliseconds: 200 } })
  const { server, passages } = live
  const line = dial(server.url)
  line.socket.pause()
  // More than the system keeps for a socket: the rest waits in the server.
  line.socket.write('GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(1000))
  await until(() => passages.some(({ status }) => status === 499))
  expect(passages.at(-1)).toMatchObject({ status: 499, failure: 'the client left' })
  // Those behind it end with it.
  await until(() => passages.length === 1000)
  expect(passages.filter(({ status }) => status === 200).length).toBeLessThan(1000)
})
