/** What Node's HTTP parser and the adapter behind it refuse before there is a request for the routes: answered like every other error, and passing the gate like every other failure. */
import { messageOf } from '../core/errors.ts'
import { type Outgoing, passageKey } from './connection.ts'
import { errorBody } from './error-body.ts'
import type { Gate } from './gate.ts'
import type { Passage } from './passage.ts'
import { secureHeaders } from './secure-headers.ts'

/** What Node says of it: https://nodejs.org/api/http.html#event-clienterror */
export interface ClientError extends Error {
  readonly code?: string
  /** in words, without anything of what was sent */
  readonly reason?: string
  readonly rawPacket?: Uint8Array
}

/** A connection, as far as it is used here. */
export interface LostConnection {
  readonly writable: boolean
  destroy(error: Error): unknown
  end(text: string, written: () => void): unknown
}

/** Node's own properties of a connection: the answer that is not over, at which its default handler looks too, and the request that is read. */
type Answering = LostConnection & {
  readonly parser?: { readonly incoming?: { readonly complete: boolean } | null } | null
  readonly _httpMessage?:
    | (Outgoing & { readonly headersSent: boolean; readonly req: { readonly complete: boolean } })
    | null
}

const phrases = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
}
type Status = keyof typeof phrases

/** Of a TLS record that begins a handshake (RFC 8446, section 5.1). */
const handshake = 0x16

/**
 * A listener of the server's 'clientError'.
 * @param maxHeaderBytes the parser's limit
 */
export function answerUnreadable(
  gate: Gate,
  maxHeaderBytes: number,
): (error: ClientError, socket: LostConnection) => void {
  const lost = new WeakSet<LostConnection>()
  const refuse = (error: ClientError, socket: LostConnection): void => {
    const { _httpMessage: answering, parser } = socket as Answering
    const isAnswered = answering ? answering.headersSent : parser?.incoming?.complete === false
    // Requests that came whole before what cannot be read are answered before it.
    if (answering?.req.complete && error.code !== 'ECONNRESET') {
      answering.once('close', () => {
        if (socket.writable) refuse(error, socket)
      })
      return
    }
    // Gone, or a request broke off that has its answer already, such as a refusal of its key: it has a passage of its own.
    if (error.code === 'ECONNRESET' || !socket.writable || isAnswered) return void socket.destroy(error)
    const [status, message] = refusalOf(error, maxHeaderBytes)
    const { headers, body } = answerOf(gate, status, message, answering?.[passageKey])
    const head = [`HTTP/1.1 ${status} ${phrases[status]}`, ...headers.map(([name, value]) => `${name}: ${value}`)]
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy(error))
  }
  return (error, socket) => {
    // Of one that cannot be read the parser says so with every packet.
    if (lost.has(socket) && error.code !== 'ECONNRESET') return
    lost.add(socket)
    refuse(error, socket)
  }
}

/** For the adapter: a request whose address makes no URL, since its Host is missing or wrong. */
export function answerUnaddressed(gate: Gate): (error: unknown) => Response {
  return (error) => {
    const message = `the address cannot be read: a path such as /predict and one header Host are expected (${messageOf(error)})`
    const { headers, body } = answerOf(gate, 400, message)
    return new Response(body, { status: 400, headers: headers.map(([name, value]) => [name, value]) })
  }
}

function answerOf(
  gate: Gate,
  status: number,
  message: string,
  running?: Passage,
): { headers: (readonly [name: string, value: string])[]; body: string } {
  const body = JSON.stringify(errorBody('/', status, message))
  const bytes = new TextEncoder().encode(body).length
  const id = gate.refuseUnreadable(status, message, bytes, running)
  const headers = [
    ...secureHeaders,
    ['connection', 'close'],
    ['content-type', 'application/json'],
    ['content-length', String(bytes)],
    ['x-request-id', id],
  ] as const
  return { headers: [...headers], body }
}

function refusalOf({ code, reason, message, rawPacket }: ClientError, most: number): [status: Status, message: string] {
  if (code === 'HPE_HEADER_OVERFLOW') return [431, `all headers together may have ${most} bytes, received more`]
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return [413, 'the extensions of a chunk are too long']
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'the request did not come in time']
  if (rawPacket?.[0] === handshake) return [400, 'this address speaks HTTP, received the beginning of HTTPS']
  return [400, `this cannot be read as HTTP/1.1: ${reason ?? message}`]
}
