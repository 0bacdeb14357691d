/** Server-sent events: each a line of JSON, as browsers and OpenAI's clients read them. https://html.spec.whatwg.org/multipage/server-sent-events.html */

export interface ServerEvent {
  /** name of the event; without one it is a 'message' */
  readonly event?: string
  /** a client that lost its connection sends the last one as Last-Event-ID */
  readonly id?: string
  readonly data: unknown
}

export interface StreamOptions {
  /** What failed on the way as the data of an event named 'error': the gate's `onStreamError`. */
  readonly failed: (error: unknown) => unknown
  /** text of a last line of data: '[DONE]' for OpenAI's routes */
  readonly last?: string
}

/**
 * A stream of events as an answer; it ends with them, or when the client leaves: the generator is then returned.
 *
 * @example
 * return sseAnswer(chunks(), { last: '[DONE]', failed: (error) => gate.onStreamError(error, c) })
 */
export function sseAnswer(events: AsyncGenerator<ServerEvent>, { failed, last }: StreamOptions): Response {
  const encoder = new TextEncoder()
  const end = last === undefined ? '' : `data: ${last}\n\n`
  let hasLeft = false
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { value, done } = await events.next()
        if (hasLeft) return
        if (!done) return controller.enqueue(encoder.encode(lineOf(value)))
        controller.enqueue(encoder.encode(end))
        controller.close()
      } catch (error) {
        if (hasLeft) return
        // The status is long sent.
        controller.enqueue(encoder.encode(lineOf({ event: 'error', data: failed(error) })))
        controller.close()
      }
    },
    async cancel() {
      hasLeft = true
      await events.return(undefined)
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' } })
}

function lineOf({ event, id, data }: ServerEvent): string {
  const head = (event === undefined ? '' : `event: ${event}\n`) + (id === undefined ? '' : `id: ${id}\n`)
  return `${head}data: ${JSON.stringify(data)}\n\n`
}
