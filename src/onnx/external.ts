/**
 * External data: elements of large tensors in a side file. A protobuf message cannot exceed 2 GiB, and a side file
 * can be mapped into memory, so offsets are aligned. Files are somebody else's work: bytes arrive and leave here.
 */
import { QuernError } from '../core/errors.ts'

export interface ExternalOptions {
  /** name of the side file, relative to the model's folder: 'model.onnx.data' */
  readonly location: string
  /** tensors of at least so many bytes go to the side file; default 1024 */
  readonly threshold?: number
  /** offsets are multiples of this; 4096 lets every system map a tensor; default 64 */
  readonly alignment?: 64 | 4096
}

/** The side file: its bytes in pieces that are views on the tensors, so that nothing is copied. */
export interface ExternalFile {
  readonly location: string
  readonly byteLength: number
  readonly chunks: readonly Uint8Array[]
}

/** Collects tensors for one side file and says where each begins. */
export class ExternalWriter {
  readonly location: string
  readonly threshold: number
  readonly #alignment: number
  readonly #chunks: Uint8Array[] = []
  #length = 0

  constructor({ location, threshold = 1024, alignment = 64 }: ExternalOptions) {
    this.location = checkLocation(location, 'the external data')
    this.threshold = threshold
    this.#alignment = alignment
  }

  /** Appends bytes and returns their offset. */
  add(bytes: Uint8Array): number {
    const gap = (this.#alignment - (this.#length % this.#alignment)) % this.#alignment
    if (gap > 0) this.#chunks.push(new Uint8Array(gap))
    const offset = this.#length + gap
    this.#chunks.push(bytes)
    this.#length = offset + bytes.byteLength
    return offset
  }

  finish(): ExternalFile {
    return { location: this.location, byteLength: this.#length, chunks: this.#chunks }
  }
}

/** The location, if it stays inside the model's folder; an error otherwise. `what` names the tensor. */
export function checkLocation(location: string, what: string): string {
  const parts = location.split('/')
  const escapes = /[\\:\0]/.test(location) || parts.includes('..') || location.startsWith('/')
  if (location !== '' && !escapes) return location
  throw new QuernError('input', `${what} lies at '${location}', expected a relative path inside the model's folder`, {
    hint: "Export the model again with its data file beside it. Paths with '..', '\\' or ':' and absolute ones are refused.",
  })
}
