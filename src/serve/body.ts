/** The one way to a request's body: its bytes, counted while they come in, since a length is not always told and need not be true. */
import type { Context } from 'hono'
import { messageOf } from '../core/errors.ts'
import { connectionOf, headerOf, type Incoming } from './connection.ts'
import type { Gated } from './gate.ts'
import type { Passage } from './passage.ts'
import { RequestError } from './request-error.ts'

export function refuseLongBody(c: Context<Gated>, limit: number): void {
  const length = headerOf(c, 'content-length')
  if (length !== undefined && Number(length) > limit) throw tooLong(limit, `${length}`)
}

function tooLong(limit: number, found: string): RequestError {
  return new RequestError(413, `the body may have ${limit} bytes, received ${found}`)
}

/** The bytes of the request, at once where all are there. They may share memory with others: copy what is to be transferred. */
export function bodyOf(c: Context<Gated>): Uint8Array | Promise<Uint8Array> {
  const passage = c.get('passage')
  const { incoming } = connectionOf(c)
  // With a length, the HTTP parser hands out no more than that, and the gate has compared it.
  const bytes = incoming && whole(incoming as Buffered, passage)
  if (!bytes) return collected(c, incoming, passage)
  passage.bytesIn = bytes.length
  return bytes
}

async function collected(c: Context<Gated>, incoming: Incoming | undefined, passage: Passage): Promise<Uint8Array> {
  try {
    const chunks = incoming ? await collectEvents(incoming, passage) : await collect(c.req.raw.body ?? [], passage)
    const bytes = joined(chunks)
    passage.bytesIn = bytes.length
    return bytes
  } catch (cause) {
    if (cause instanceof RequestError) throw cause
    throw new RequestError(400, `the body ended too early (${messageOf(cause)})`, { cause })
  }
}

/** What Node's requests can do besides. */
interface Buffered extends Incoming {
  readonly readableLength: number
  read(): Uint8Array | null
  resume(): void
}

/**
 * A body that came in with its headers, as short ones do, is taken at once: listeners for its parts cost several turns through queues. Undefined for others.
 */
function whole(incoming: Buffered, passage: Passage): Uint8Array | undefined {
  const { headers, readableLength } = incoming
  if (readableLength === 0 || headers['content-length'] !== String(readableLength)) return undefined
  take(passage, readableLength)
  const bytes = incoming.read()!
  // To its end, which is still to come: then the connection is free for the next request.
  incoming.resume()
  return bytes
}

interface Streamed extends Incoming {
  iterator(options: { readonly destroyOnReturn: boolean }): AsyncIterable<Uint8Array>
}

/** The same in pieces, as they come, for what is not kept in memory: the next one is asked for when the last was used. */
export async function* bodyChunks(c: Context<Gated>, limit: number): AsyncGenerator<Uint8Array> {
  const passage = c.get('passage')
  const incoming = connectionOf(c).incoming as Streamed | undefined
  // Destroyed, the connection could not carry the refusal.
  const chunks = incoming ? incoming.iterator({ destroyOnReturn: false }) : (c.req.raw.body ?? [])
  try {
    for await (const chunk of chunks) {
      passage.bytesIn += chunk.length
      if (passage.bytesIn > limit) throw tooLong(limit, 'more')
      yield chunk
    }
  } catch (cause) {
    if (cause instanceof RequestError) throw cause
    throw new RequestError(400, `the body ended too early (${messageOf(cause)})`, { cause })
  }
}

async function collect(
  stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  passage: Passage,
): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) {
    take(passage, chunk.length)
    chunks.push(chunk)
  }
  return chunks
}

/** Room for the next part of a body. */
function take(passage: Passage, bytes: number): void {
  const { maxBodyBytes } = passage
  if (passage.bodyBytes + bytes > maxBodyBytes) throw tooLong(maxBodyBytes, 'more')
  passage.takeBody(bytes)
}

/** By events: leaving a `for await` would destroy the connection on which the refusal has to be answered. */
function collectEvents(incoming: Incoming, passage: Passage): Promise<Uint8Array[]> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let isRefused = false
    incoming.on('data', (chunk) => {
      if (isRefused) return
      try {
        take(passage, chunk.length)
        chunks.push(chunk)
      } catch (error) {
        isRefused = true
        chunks.length = 0
        reject(error)
      }
    })
    incoming.on('end', () => resolve(chunks))
    incoming.on('error', reject)
    incoming.on('close', () => reject(new Error('the connection was closed')))
  })
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return chunks[0]!
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}
