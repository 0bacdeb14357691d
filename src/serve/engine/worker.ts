/** The program of a worker thread: it owns sessions and computes, so that the thread of the sockets never waits for a model. */
import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { dtypes } from '../../core/dtype.ts'
import { messageOf, QuernError } from '../../core/errors.ts'
import { sizeOf } from '../../core/shape.ts'
import type { NamedTensors, PortInfo, Session } from '../../runtime/backend.ts'
import { createNodeBackend } from '../../runtime/onnxruntime-node.ts'
import { type Asked, type FromWorker, type ToWorker, transferable } from './messages.ts'

const backend = createNodeBackend()
const sessions = new Map<number, Session>()

async function answer(message: Asked): Promise<FromWorker> {
  const { id, model } = message
  if (message.type === 'load') {
    // The bytes lie in memory that all workers share, which the runtime does not read.
    const session = await backend.createSession(message.bytes.slice(), { threads: message.threads, immediate: true })
    await warmUp(session)
    sessions.set(model, session)
    return { type: 'loaded', id, inputs: session.inputs, outputs: session.outputs }
  }
  const session = sessions.get(model)
  if (message.type === 'release') {
    sessions.delete(model)
    await session?.release()
    return { type: 'released', id }
  }
  if (!session) throw new QuernError('io', `a worker has no model ${model}`)
  const start = performance.now()
  const results = await session.run(message.feeds, message.outputs)
  return { type: 'done', id, results, milliseconds: performance.now() - start }
}

/** A first run on zeros, so that no client waits for what a runtime does once. Free sizes are 1, which not every model accepts. */
async function warmUp(session: Session): Promise<void> {
  const isFree = ({ shape }: PortInfo): boolean => shape?.slice(1).some((dim) => typeof dim !== 'number') ?? true
  const feeds: NamedTensors = Object.fromEntries(
    session.inputs.map(({ name, dtype = 'float32', shape: found = [] }) => {
      const shape = found.map((dim) => (typeof dim === 'number' ? dim : 1))
      const { array } = dtypes[dtype]
      const count = sizeOf(shape)
      return [name, { dtype, shape, data: array ? new array(count) : new Array<string>(count).fill('') }]
    }),
  )
  try {
    await session.run(feeds)
  } catch (error) {
    if (session.inputs.some(isFree)) return
    await session.release()
    throw error
  }
}

/** On Linux, where each thread has a priority of its own: when processors are short, the thread that answers and refuses goes first. */
function yieldToSockets(): void {
  try {
    setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), 5)
  } catch {
    // Elsewhere all threads are equal.
  }
}
yieldToSockets()

/** One after the other: a session is not released under a run. */
let last: Promise<unknown> = Promise.resolve()

parentPort!.on('message', (message: ToWorker) => {
  if (message.type === 'close') {
    last = last.then(() => parentPort!.close())
    return
  }
  last = last
    .then(() => answer(message))
    .catch((error: unknown): FromWorker => {
      const { kind, hint } = error instanceof QuernError ? error : { kind: 'io' as const, hint: undefined }
      return { type: 'failed', id: message.id, kind, message: messageOf(error), hint }
    })
    .then((reply) => parentPort!.postMessage(reply, reply.type === 'done' ? transferable(reply.results) : []))
})
