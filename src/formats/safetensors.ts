/**
 * Safetensors bytes <-> named tensors. The format: 8 bytes little-endian length of the header, the header as JSON, then the
 * elements one behind the other (https://github.com/huggingface/safetensors, "Format"). Every length is checked before it is believed.
 */
import { byteLength, type DType, dtypes, storageLength } from '../core/dtype.ts'
import { messageOf, QuernError } from '../core/errors.ts'
import { sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'

const codes: Partial<Record<DType, string>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint64: 'U64',
  uint32: 'U32',
  uint16: 'U16',
  uint8: 'U8',
  bool: 'BOOL',
}
const dtypeOfCode = new Map(Object.entries(codes).map(([dtype, code]) => [code, dtype as DType]))

/** Longest header that is believed; the reference implementation has the same limit. */
const headerLimit = 100_000_000

export interface Safetensors {
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly metadata: Readonly<Record<string, string>>
}

/** The bytes of a safetensors file. Strings, complex and packed types have no code in the format: an error. */
export function writeSafetensors({ tensors, metadata }: Safetensors): Uint8Array {
  let end = 0
  const header: Record<string, unknown> = { __metadata__: metadata }
  for (const [name, { dtype, shape }] of tensors) {
    const code = codes[dtype]
    if (!code) throw new QuernError('unsupported', `safetensors cannot hold ${dtype} (tensor '${name}')`)
    const size = byteLength(dtype, sizeOf(shape))
    header[name] = { dtype: code, shape, data_offsets: [end, end + size] }
    end += size
  }
  const json = new TextEncoder().encode(JSON.stringify(header))
  // The header is padded with spaces so that the elements start on 8 bytes.
  const start = 8 + Math.ceil(json.length / 8) * 8
  const bytes = new Uint8Array(start + end)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true)
  bytes.fill(0x20, 8, start)
  bytes.set(json, 8)
  let at = start
  for (const { data } of tensors.values()) {
    const { buffer, byteOffset, byteLength: size } = data as Uint8Array
    bytes.set(new Uint8Array(buffer, byteOffset, size), at)
    at += size
  }
  return bytes
}

/** Reads a safetensors file; the tensors are copies. Throws `input` that says what is wrong with a damaged file. */
export function readSafetensors(bytes: Uint8Array, what = 'safetensors file'): Safetensors {
  const fail = (message: string): never => {
    throw new QuernError('input', `${what} is damaged: ${message}`)
  }
  if (bytes.length < 8) fail(`it has ${bytes.length} bytes, expected at least 8`)
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
  if (length > headerLimit || 8 + length > bytes.length) {
    fail(`its header claims ${length} bytes, the file has ${bytes.length}`)
  }
  const header = parseHeader(bytes.subarray(8, 8 + length), fail)
  const { __metadata__: metadata = {}, ...entries } = header
  const tensors = new Map<string, Tensor>()
  for (const [name, entry] of Object.entries(entries)) {
    tensors.set(name, readTensor(name, entry, bytes, 8 + length, fail))
  }
  return { tensors, metadata: metadata as Record<string, string> }
}

function parseHeader(bytes: Uint8Array, fail: (message: string) => never): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (typeof header === 'object' && header !== null && !Array.isArray(header))
      return header as Record<string, unknown>
  } catch (error) {
    fail(`its header is not JSON (${messageOf(error)})`)
  }
  return fail('its header is not a JSON object')
}

function readTensor(
  name: string,
  entry: unknown,
  bytes: Uint8Array,
  start: number,
  fail: (message: string) => never,
): Tensor {
  const { dtype: code, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>
  const dtype = dtypeOfCode.get(String(code)) ?? fail(`tensor '${name}' has the unknown type '${String(code)}'`)
  const whole = (v: unknown): v is number => Number.isSafeInteger(v) && (v as number) >= 0
  if (!Array.isArray(shape) || !shape.every(whole))
    return fail(`tensor '${name}' has the shape ${JSON.stringify(shape)}`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(whole)) {
    return fail(`tensor '${name}' has the offsets ${JSON.stringify(offsets)}`)
  }
  const [from, to] = offsets as [number, number]
  const expected = byteLength(dtype, sizeOf(shape))
  if (to - from !== expected || start + to > bytes.length) {
    fail(`tensor '${name}' needs ${expected} bytes, its offsets are ${from} to ${to} of ${bytes.length - start}`)
  }
  // A copy, since elements in the file need not be aligned. (`slice` of Node's Buffer is none.)
  const { buffer } = new Uint8Array(bytes.subarray(start + from, start + to))
  const data = new dtypes[dtype].array!(buffer, 0, storageLength(dtype, sizeOf(shape)))
  return { dtype, shape, data }
}
