/**
 * Node's request and answer behind Hono's, where there is a socket: what every request asks for is read and written there. The web's Request, Headers and streams, which check, sort and
 * copy, take three to ten times as long.
 */
import type { Context } from 'hono'
import type { Passage } from './passage.ts'

/** The answers that wait for another one on their connection. */
const behindKey: unique symbol = Symbol('behind')

export interface Socket {
  [behindKey]?: Outgoing[]
  readonly bytesWritten: number
  once(event: 'close', listener: () => void): unknown
}

/** Node's request, as far as it is used here. */
export interface Incoming {
  /** by lower-case names; of one that comes twice the first, or all of them, joined, as its meaning allows */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly socket: Socket
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown
  on(event: 'end' | 'close', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** Where the passage of an answer is written to it. */
export const passageKey: unique symbol = Symbol('passage')

export interface Outgoing {
  [passageKey]?: Passage
  readonly writableFinished: boolean
  /** null while another answer is before it on its connection */
  readonly socket: unknown
  once(event: 'close', listener: () => void): unknown
  emit(event: 'close'): unknown
  setHeader(name: string, value: string): void
}

/** What @hono/node-server puts into Hono's `env`; empty where there is no socket. */
export interface Connection {
  readonly incoming?: Incoming
  readonly outgoing?: Outgoing
}

const none: Connection = {}

export function connectionOf(c: Context): Connection {
  return (c.env as Connection | undefined) ?? none
}

/** A header of the request. @param name in lower case */
export function headerOf(c: Context, name: string): string | undefined {
  const { incoming } = connectionOf(c)
  if (!incoming) return c.req.header(name)
  const value = incoming.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** A header of whatever is answered, before the routes, which may set another value: on an answer that is made already it costs a copy of it. */
export function setHeader(c: Context, name: string, value: string): void {
  const { outgoing } = connectionOf(c)
  if (outgoing) outgoing.setHeader(name, value)
  else c.header(name, value)
}

/** Of a pipelined request, whose answer has no socket until those before it are written: Node does not tell it that the connection was closed before. */
export function closeWithConnection({ socket }: Incoming, outgoing: Outgoing): void {
  if (outgoing.socket) return
  const behind = socket[behindKey] ?? behindOn(socket)
  behind.push(outgoing)
  outgoing.once('close', () => behind.splice(behind.indexOf(outgoing), 1))
}

function behindOn(socket: Socket): Outgoing[] {
  const behind: Outgoing[] = []
  socket[behindKey] = behind
  socket.once('close', () => {
    for (const outgoing of [...behind]) if (!outgoing.socket) outgoing.emit('close')
  })
  return behind
}
