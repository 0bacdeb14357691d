/**
 * The native sessions beneath onnxruntime-node's public ones. A public run waits for the next turn of the event loop and then computes in this thread all the same;
 * a native one computes at once. They are no public interface: a binding that does not do with a small model what 1.30.0 does is not used, and the public sessions
 * do as well, a turn later ([decision 031](../../docs/decisions/031-runs-without-waiting.md)).
 */
import type * as Ort from 'onnxruntime-node'
import { dtypeFromCode } from '../core/dtype.ts'
import { isStatic, type Shape, unknownDim } from '../core/shape.ts'
import type { PortInfo } from './backend.ts'
import { protoField } from './proto-field.ts'

type OrtTensors = Readonly<Record<string, Ort.Tensor>>
type Fetches = Readonly<Record<string, Ort.Tensor | null>>

export interface NativeSession {
  readonly inputMetadata: readonly NativePort[]
  readonly outputMetadata: readonly NativePort[]
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: Ort.InferenceSession.SessionOptions): void
  /** computes before it returns */
  run(feeds: OrtTensors, fetches: Fetches, options: object): OrtTensors
  endProfiling(): void
  dispose(): void
}

/** Of an input or output; `type` and what follows are those of tensors. */
interface NativePort {
  readonly name: string
  readonly isTensor: boolean
  /** TensorProto.DataType */
  readonly type: number
  /** -1 where the size is symbolic */
  readonly shape: readonly number[]
  /** '' where the size is fixed or has no name */
  readonly symbolicDimensions: readonly string[]
}

/** Makes an empty session. */
export type NewSession = () => NativeSession

/** The module inside the package, whatever it is. */
export const importBinding = (): Promise<unknown> => import('onnxruntime-node/dist/binding.js')

/**
 * How native sessions are made; undefined when the module is not what it is in the version that this was written for. It is found out by a run: names alone would not tell a
 * `run` that answers later, or metadata in another form.
 *
 * @param found the module of `importBinding`
 */
export function nativeSessions(found: unknown, ort: typeof Ort): NewSession | undefined {
  try {
    const { binding, initOrt } = found as { binding: { InferenceSession: new () => NativeSession }; initOrt(): void }
    initOrt()
    const make: NewSession = () => new binding.InferenceSession()
    return isAsKnown(make(), ort) ? make : undefined
  } catch {
    return undefined
  }
}

function isAsKnown(session: NativeSession, ort: typeof Ort): boolean {
  const bytes = identityModel()
  session.loadModel(bytes.buffer, bytes.byteOffset, bytes.byteLength, {
    executionProviders: ['cpu'],
    logSeverityLevel: 4,
  })
  const ports = [session.inputMetadata, session.outputMetadata].map((list) => list.map(portOf))
  const fed = new ort.Tensor('float32', Float32Array.of(1, 2), [2, 1])
  const { y } = session.run({ x: fed }, { y: null }, {})
  session.endProfiling()
  session.dispose()
  const port = (name: string): PortInfo => ({ name, dtype: 'float32', shape: ['rows', 1] })
  const expected = [[[port('x')], [port('y')]], 'float32', [2, 1], [1, 2]]
  return (
    JSON.stringify([ports, y?.type, y?.dims, Array.from((y?.data ?? []) as Float32Array)]) === JSON.stringify(expected)
  )
}

/** y = x of the shape [rows, 1]. onnx.proto's numbers of fields; 1 is FLOAT. */
function identityModel(): Uint8Array {
  const text = new TextEncoder()
  const word = (number: number, value: string): number[] => protoField(number, text.encode(value))
  const dims = [protoField(1, word(2, 'rows')), protoField(1, [8, 1])]
  const type = protoField(2, protoField(1, [8, 1], protoField(2, ...dims)))
  const node = protoField(1, word(1, 'x'), word(2, 'y'), word(4, 'Identity'))
  const ports = [protoField(11, word(1, 'x'), type), protoField(12, word(1, 'y'), type)]
  const graph = protoField(7, node, word(2, 'probe'), ...ports)
  // IR version 8, opset 17
  return Uint8Array.from([8, 8, ...graph, ...protoField(8, [16, 17])])
}

/** What the public sessions make of the same metadata. */
export function portOf({ name, isTensor, type, shape, symbolicDimensions }: NativePort): PortInfo {
  if (!isTensor) return { name, dtype: undefined, shape: undefined }
  const sizes: Shape = shape.map((size, i) => (size === -1 ? symbolicDimensions[i] || unknownDim : size))
  return { name, dtype: dtypeFromCode(type), shape: isStatic(sizes) ? [...sizes] : sizes }
}
