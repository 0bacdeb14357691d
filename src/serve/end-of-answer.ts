/** When an answer is over: at the last byte of a stream, or when the client leaves, not when its headers are written. */
import type { Context } from 'hono'
import { closeWithConnection, connectionOf, passageKey } from './connection.ts'
import type { Passage } from './passage.ts'

export interface AnswerEnd {
  /** false: the client left first */
  readonly isWhole: boolean
  readonly bytes: number
}

/**
 * Calls `ended` once. On a socket it is armed before the routes run, so that a client that leaves is noticed while they do.
 * Returns false when there is no socket: then `afterBody` tells the end.
 */
export function onConnectionEnd(c: Context, passage: Passage, ended: (end: AnswerEnd) => void): boolean {
  const { incoming, outgoing } = connectionOf(c)
  if (!outgoing || !incoming) return false
  const { socket } = incoming
  const before = socket.bytesWritten
  outgoing[passageKey] = passage
  outgoing.once('close', () => ended({ isWhole: outgoing.writableFinished, bytes: socket.bytesWritten - before }))
  closeWithConnection(incoming, outgoing)
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
