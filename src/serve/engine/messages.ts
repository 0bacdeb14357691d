/** What the server and its workers say to each other. */
import type { ErrorKind } from '../../core/errors.ts'
import type { NamedTensors, PortInfo } from '../../runtime/backend.ts'

export type Question =
  | {
      readonly type: 'load'
      readonly model: number
      readonly bytes: Uint8Array
      readonly threads: number
    }
  | {
      readonly type: 'run'
      readonly model: number
      readonly feeds: NamedTensors
      readonly outputs: readonly string[] | undefined
    }
  | { readonly type: 'release'; readonly model: number }

/** The answer has the same id. */
export type Asked = Question & { readonly id: number }

/** `close`: the thread ends by itself, behind what it was asked before. */
export type ToWorker = Asked | { readonly type: 'close' }

export type FromWorker =
  | {
      readonly type: 'loaded'
      readonly id: number
      readonly inputs: readonly PortInfo[]
      readonly outputs: readonly PortInfo[]
    }
  | { readonly type: 'done'; readonly id: number; readonly results: NamedTensors; readonly milliseconds: number }
  | { readonly type: 'released'; readonly id: number }
  | {
      readonly type: 'failed'
      readonly id: number
      readonly kind: ErrorKind
      readonly message: string
      readonly hint: string | undefined
    }

/** The buffers of tensors that nobody else looks at; those of others must be copied by the message. */
export function transferable(tensors: NamedTensors): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>()
  for (const { data } of Object.values(tensors)) {
    if (!Array.isArray(data) && data.buffer instanceof ArrayBuffer) buffers.add(data.buffer)
  }
  return [...buffers]
}
