/**
 * A load generator: one process, sockets that are kept, requests that were written before the clock started, and no more parsing of answers than their
 * status and length, so that the client costs little of the processors that it shares with the server. Answers are read into one piece of memory and times kept in another: garbage would
 * make it pause, and its pauses would be counted as the server's.
 *
 * Closed loop (`rate` absent): each connection asks again when it has its answer; finds the capacity. Open loop (`rate`): requests come as a Poisson process whether or not
 * the server keeps up, as they do from many people. A closed loop would ask less while the server is slow, and so hide overload.
 * Latencies are counted from the moment a request is written, or, when all connections are taken, from the moment it was due.
 *
 * usage: serve-load JSON of LoadOptions; prints a JSON LoadResult
 */
import { writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
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
   * Look at the clock and the sockets each 50 microseconds instead of each millisecond: requests that were due in one millisecond would all be written at its end, and wait for each
   * other on both sides. Takes a part of a processor for it, so not for loads that need all of them. Asleep in between: a client that only looks keeps a processor, and the kernel lets
   * whoever wakes there wait up to 4 ms for it.
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

/** ms, as many as come */
class TimeList {
  #values = new Float64Array(2 ** 17)
  count = 0

  push(value: number): void {
    if (this.count === this.#values.length) {
      const before = this.#values
      this.#values = new Float64Array(2 * this.count)
      this.#values.set(before)
    }
    this.#values[this.count++] = value
  }

  sorted(): Float64Array {
    return this.#values.slice(0, this.count).sort()
  }
}

const times = new Map<number, TimeList>()
let failed = 0
let pending = 0
let begin = 0
let isOver = false
const free: Connection[] = []
const due: number[] = []

/** Where all sockets read to: what came is used before the next one reads. */
const received = Buffer.alloc(65_536)
const endOfHead = Buffer.from('\r\n\r\n')
/** The name of the header as the server writes it; found in its first answer. */
let lengthName: Buffer | undefined

/** Bytes of the answer that begins here; undefined while its head is not whole. */
function lengthOf(bytes: Buffer, count: number): number | undefined {
  const end = bytes.indexOf(endOfHead)
  if (end < 0 || end + 4 > count) return undefined
  lengthName ??= nameIn(bytes, end)
  const at = bytes.indexOf(lengthName)
  if (at < 0 || at > end) throw noLength(bytes, count)
  let length = 0
  for (let i = at + lengthName.length; i < end; i++) {
    const digit = bytes[i]! - 48
    if (digit >= 0 && digit <= 9) length = 10 * length + digit
    else if (bytes[i] === 13) break
  }
  return end + 4 + length
}

function nameIn(bytes: Buffer, end: number): Buffer {
  const found = /\r\ncontent-length:/i.exec(bytes.toString('latin1', 0, end))
  if (!found) throw noLength(bytes, end)
  return Buffer.from(found[0])
}

const noLength = (bytes: Buffer, count: number): Error =>
  new Error(`an answer without content-length: ${bytes.toString('latin1', 0, Math.min(count, 300))}`)

class Connection {
  readonly #socket: Socket
  #since = 0
  /** of an answer that is not whole */
  #pieces: Buffer | undefined
  #isBusy = false

  constructor(ready: () => void) {
    const callback = (count: number): boolean => {
      this.#read(count)
      return true
    }
    const onread = { buffer: received, callback }
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, onread }, ready)
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

  #read(count: number): void {
    let [bytes, length] = [received, count]
    if (this.#pieces) {
      bytes = Buffer.concat([this.#pieces, received.subarray(0, count)])
      length = bytes.length
    }
    const whole = lengthOf(bytes, length)
    if (whole === undefined || length < whole) {
      this.#pieces = Buffer.from(bytes.subarray(0, length))
      return
    }
    this.#pieces = undefined
    this.#isBusy = false
    pending--
    this.#note(100 * (bytes[9]! - 48) + 10 * (bytes[10]! - 48) + bytes[11]! - 48)
  }

  #note(status: number): void {
    const now = performance.now()
    if (now - begin > warmUpSeconds * 1000) {
      const list = times.get(status) ?? new TimeList()
      list.push(now - this.#since)
      times.set(status, list)
    }
    if (isOver) return
    const next = rate === undefined ? now : due.shift()
    if (next === undefined) free.push(this)
    else this.ask(next)
  }
}

/** ms between two looks */
const nap = 0.05
const napping = new Int32Array(new SharedArrayBuffer(4))

/** Linux lets sleepers lie for 50 microseconds more, unless they ask. */
function wakeOnTime(): void {
  try {
    writeFileSync('/proc/self/timerslack_ns', '1000')
  } catch {
    // Other systems wake as they do.
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
    if (!isExact) return void setTimeout(send, 1)
    const rest = Math.min(nap, next - performance.now())
    if (rest > 0.01) Atomics.wait(napping, 0, 0, rest)
    setImmediate(send)
  }
  if (isExact) wakeOnTime()
  send()
}
await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
isOver = true
const counted = (performance.now() - begin) / 1000 - warmUpSeconds
for (let waited = 0; pending > 0 && waited < 5000; waited += 20) await new Promise((resolve) => setTimeout(resolve, 20))
failed += pending
for (const connection of all) connection.end()

const at = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
const byStatus = Object.fromEntries(
  [...times].map(([status, list]) => {
    const sorted = list.sorted()
    return [status, { count: list.count, p50: at(sorted, 0.5), p99: at(sorted, 0.99), max: sorted.at(-1)! }]
  }),
)
const result: LoadResult = { seconds: counted, byStatus, failed, throughput: (times.get(200)?.count ?? 0) / counted }
console.log(JSON.stringify(result))
