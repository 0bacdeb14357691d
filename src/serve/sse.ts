/** Server-sent events: each a line of JSON, as browsers and OpenAI's clients read them. */
import { messageOf } from '../core/errors.ts'
import { errorBody } from './error-body.ts'

export interface ServerEvent {
  /** name of the event; without one it is a 'message' */
  readonly event?: string
  /** a client that lost its connection sends the last one as Last-Event-ID */
  readonly id?: string
  readonly data: unknown
}

/**
 * A stream of events as an answer; it ends with them, or when the client leaves: the generator is then returned.
 *
 * @param last the text of a last line of data: '[DONE]' for OpenAI's routes
 * @example
 * return sseAnswer(chunks(), '[DONE]')
 */
export function sseAnswer(events: AsyncGenerator<ServerEvent>, last?: string): Response {
  const encoder = new TextEncoder()
  const end = last === undefined ? '' : `data: ${last}\n\n`
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { value, done } = await events.next()
        if (!done) return controller.enqueue(encoder.encode(lineOf(value)))
        controller.enqueue(encoder.encode(end))
        controller.close()
      } catch (error) {
        // The status is long sent: what failed becomes an event, in the form of OpenAI's errors.
        const failure = errorBody('/v1/', 500, messageOf(error))
        controller.enqueue(encoder.encode(lineOf({ event: 'error', data: failure })))
        controller.close()
      }
    },
    async cancel() {
      await events.return(undefined)
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' } })
}

function lineOf({ event, id, data }: ServerEvent): string {
  const head = (event === undefined ? '' : `event: ${event}\n`) + (id === undefined ? '' : `id: ${id}\n`)
  return `${head}data: ${JSON.stringify(data)}\n\n`
}
