/**
 * A load generator: one process, sockets that are kept, requests that were written before the clock started, and no more parsing of answers than their
 * status and length, so that the client costs little of the processors that it shares with the server.
 *
 * Closed loop (`rate` absent): each connection asks again when it has its answer; finds the capacity. Open loop (`rate`): requests come as a Poisson process whether or not
 * the server keeps up, as they do from many people. A closed loop would ask less while the server is slow, and so hide overload.
 * Latencies are counted from the moment a request is written, or, when all connections are taken, from the moment it was due.
 *
 * usage: serve-load JSON of LoadOptions; prints a JSON LoadResult
 */
import { connect, type Socket } from 'node:net'
import { setPriority } from 'node:os'
import { createRandom } from '../../src/core/random.ts'

export interface LoadOptions {
  readonly port: number
  readonly path: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
  readonly connections: number
  /** requests a second; absent: closed loop */
  readonly rate?: number
  /**
   * Look at the clock without pause, at the lowest priority, instead of each millisecond: requests that were due in one millisecond would all be written at its end, and
   * wait for each other on both sides. Takes what processors have left, so not for loads that need all of them.
   */
  readonly isExact?: boolean
  readonly seconds: number
  /** answers before this moment are not counted */
  readonly warmUpSeconds?: number
}

export interface Times {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

export interface LoadResult {
  readonly seconds: number
  readonly byStatus: Readonly<Record<string, Times>>
  /** connections that broke, answers that never came */
  readonly failed: number
  /** answers 200 a second */
  readonly throughput: number
}

const options = JSON.parse(process.argv[2]!) as LoadOptions
const { port, path, body, headers = {}, connections, rate, isExact = false, seconds, warmUpSeconds = 0 } = options
const head = [
  `POST ${path} HTTP/1.1`,
  'host: localhost',
  'content-type: application/json',
  `content-length: ${Buffer.byteLength(body)}`,
  ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
]
const request = Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)

const times = new Map<number, number[]>()
let failed = 0
let pending = 0
let begin = 0
let isOver = false
const free: Connection[] = []
const due: number[] = []

class Connection {
  readonly #socket: Socket
  #since = 0
  #text = ''
  #isBusy = false

  constructor(ready: () => void) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true }, ready)
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (chunk: string) => this.#read(chunk))
    this.#socket.on('error', () => undefined)
    this.#socket.on('close', () => {
      if (!this.#isBusy) return
      this.#isBusy = false
      pending--
      if (!isOver) failed++
    })
  }

  ask(since: number): void {
    this.#since = since
    this.#isBusy = true
    pending++
    this.#socket.write(request)
  }

  end(): void {
    this.#socket.destroy()
  }

  #read(chunk: string): void {
    this.#text += chunk
    const end = this.#text.indexOf('\r\n\r\n')
    if (end < 0) return
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#text.slice(0, end + 2))
    if (!length) throw new Error(`an answer without content-length: ${this.#text.slice(0, 300)}`)
    if (this.#text.length < end + 4 + Number(length[1])) return
    const status = Number(this.#text.slice(9, 12))
    this.#text = ''
    this.#isBusy = false
    pending--
    this.#note(status)
  }

  #note(status: number): void {
    const now = performance.now()
    if (now - begin > warmUpSeconds * 1000) {
      const list = times.get(status)
      if (list) list.push(now - this.#since)
      else times.set(status, [now - this.#since])
    }
    if (isOver) return
    const next = rate === undefined ? now : due.shift()
    if (next === undefined) free.push(this)
    else this.ask(next)
  }
}

const all: Connection[] = []
for (let i = 0; i < connections; i++) await new Promise<void>((resolve) => all.push(new Connection(resolve)))
begin = performance.now()
if (rate === undefined) for (const connection of all) connection.ask(performance.now())
else {
  free.push(...all)
  const random = createRandom(1)
  let next = begin
  const send = (): void => {
    const now = performance.now()
    while (next <= now && !isOver) {
      // The one that rested longest: servers close connections that rest for seconds.
      const connection = free.shift()
      if (connection) connection.ask(performance.now())
      else due.push(next)
      next += (-Math.log(1 - random.uniform()) / rate) * 1000
    }
    if (isOver) return
    if (isExact) setImmediate(send)
    else setTimeout(send, 1)
  }
  if (isExact) setPriority(10)
  send()
}
await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
isOver = true
const counted = (performance.now() - begin) / 1000 - warmUpSeconds
for (let waited = 0; pending > 0 && waited < 5000; waited += 20) await new Promise((resolve) => setTimeout(resolve, 20))
failed += pending
for (const connection of all) connection.end()

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
const byStatus = Object.fromEntries(
  [...times].map(([status, list]) => {
    list.sort((a, b) => a - b)
    return [status, { count: list.length, p50: at(list, 0.5), p99: at(list, 0.99), max: list.at(-1)! }]
  }),
)
const result: LoadResult = { seconds: counted, byStatus, failed, throughput: (times.get(200)?.length ?? 0) / counted }
console.log(JSON.stringify(result))
