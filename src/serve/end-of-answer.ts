/** When an answer is over: at the last byte of a stream, or when the client leaves, not when its headers are written. */
import type { Context } from 'hono'

/** Node's request, as far as it is used here. */
export interface Incoming {
  readonly socket: { readonly bytesWritten: number }
  on(event: 'data', listener: (chunk: Uint8Array) => void): unknown
  on(event: 'end' | 'close', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** What @hono/node-server puts into Hono's `env`; absent where there is no socket. */
interface Connection {
  readonly incoming?: Incoming
  readonly outgoing?: {
    readonly writableFinished: boolean
    once(event: 'close', listener: () => void): void
    setHeader(name: string, value: string): void
  }
}

export interface AnswerEnd {
  /** false: the client left first */
  readonly isWhole: boolean
  readonly bytes: number
}

/** Node's request behind Hono's: reading the body from it costs a third of what the web streams around it do. */
export function incomingOf(c: Context): Incoming | undefined {
  return (c.env as Connection | undefined)?.incoming
}

/**
 * A header of whatever is answered, before the routes; they may set another value. On a socket it is given to Node's answer: through the web's Headers, which
 * check, sort and copy, it takes ten times as long.
 */
export function setHeader(c: Context, name: string, value: string): void {
  const { outgoing } = (c.env ?? {}) as Connection
  if (outgoing) outgoing.setHeader(name, value)
  else c.header(name, value)
}

/**
 * Calls `ended` once. On a socket it is armed before the routes run, so that a client that leaves is noticed while they do.
 * Returns false when there is no socket: then `afterBody` tells the end.
 */
export function onConnectionEnd(c: Context, ended: (end: AnswerEnd) => void): boolean {
  const { incoming, outgoing } = (c.env ?? {}) as Connection
  if (!outgoing || !incoming) return false
  const { socket } = incoming
  const before = socket.bytesWritten
  outgoing.once('close', () => ended({ isWhole: outgoing.writableFinished, bytes: socket.bytesWritten - before }))
  return true
}

/** The same answer, whose body calls `ended` after its last byte; at once when it has none. */
export function afterBody(response: Response, ended: (end: AnswerEnd) => void): Response {
  const { body } = response
  if (body === null) {
    ended({ isWhole: true, bytes: 0 })
    return response
  }
  const reader = body.getReader()
  let bytes = 0
  const counted = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (!done) {
          bytes += value.length
          return controller.enqueue(value)
        }
        controller.close()
        ended({ isWhole: true, bytes })
      } catch (error) {
        controller.error(error)
        ended({ isWhole: false, bytes })
      }
    },
    async cancel(reason) {
      ended({ isWhole: false, bytes })
      await reader.cancel(reason)
    },
  })
  return new Response(counted, response)
}
