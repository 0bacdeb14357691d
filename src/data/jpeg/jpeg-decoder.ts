/**
 * Decodes the JPEGs that most people have straight into a form, by the kernels in assembly/: chroma is brought to the picture's size from the size
 * that it is stored in, the blocks outside of the form are not transformed, and pictures that shrink by half and more are transformed at a
 * smaller size. What it does not take (see read-header.ts, placement.ts) and what is damaged is for the general decoder, which says why.
 */
import { pageBytes, type WasmMemory, webAssembly } from '../../runtime/webassembly.ts'
import type { DecodedImage, ImageForm } from '../image-decoder.ts'
import { jpegKernelsBase64 } from './generated/wasm.ts'
import { type Placement, placementOf, type Span } from './placement.ts'
import { type JpegComponent, type JpegHeader, readJpegHeader } from './read-header.ts'
import { type Axis, type Weights, weightsOf } from './weights.ts'

/** Changes whenever other pixels come out. */
export const jpegDecoderId = 'jpeg-1'

interface Kernels {
  table(spec: number, target: number): number
  scan(job: number, from: number, to: number, scratch: number): number
  picture(job: number): void
}

/** A component's samples in memory: the blocks that the picture needs. */
interface Plane {
  readonly component: JpegComponent
  readonly across: Weights
  readonly down: Weights
  /** wanted blocks, from and to */
  readonly blocks: readonly [left: number, right: number, top: number, bottom: number]
  readonly stride: number
  readonly rows: number
}

/** Behind the kernels' own tables. */
const firstByte = 4096
/** What the weights still shrink by where the transform shrinks too: less would show the edges of its blocks. */
const gap = 1.5
const tableBytes = 8192 + 17 * 8
const scratchBytes = 512
const mostBytes = 2 ** 28
/** A memory that one large picture needed is given back. */
const mostKept = 2 ** 25

export class JpegDecoder {
  readonly #module: object
  #memory: WasmMemory | undefined
  #kernels: Kernels | undefined
  #used = firstByte

  constructor() {
    this.#module = new webAssembly.Module(Uint8Array.from(atob(jpegKernelsBase64), (c) => c.charCodeAt(0)))
  }

  /** The picture, or undefined when the general decoder is to look at it. The pixels are written to `into`, where it is given. */
  decode(bytes: Uint8Array, form: ImageForm, into?: Uint8Array): DecodedImage | undefined {
    const header = readJpegHeader(bytes)
    const placement = header && placementOf(header.width, header.height, form)
    if (!header || !placement) return undefined
    const isGrey = header.components.length === 1
    // libvips weighs colours by their light when it makes them grey.
    if (form.channels === 1 && !isGrey) return undefined
    const least = Math.min(placement.across.shrink, placement.down.shrink)
    const side = [8, 4, 2].find((shrink) => least >= gap * shrink)
    const planes = header.components.map((component) => planeOf(header, component, placement, 8 / (side ?? 1)))
    const pixels = into ?? new Uint8Array(form.channels * form.height * form.width)
    const found = this.#pixels(bytes, header, planes, placement, 8 / (side ?? 1))
    if (found) frame(found, form, placement, pixels)
    if ((this.#memory?.buffer.byteLength ?? 0) > mostKept) this.#memory = undefined
    if (!found) return undefined
    const { width, height } = header
    return { pixels, originalHeight: height, originalWidth: width, originalMode: isGrey ? 'grey' : 'colour' }
  }

  #pixels(
    bytes: Uint8Array,
    header: JpegHeader,
    planes: readonly Plane[],
    { across, down }: Placement,
    side: number,
  ): Uint8Array | undefined {
    if (!this.#reserve(bytesNeeded(bytes, planes, across, down))) return undefined
    const kernels = this.#kernels!
    const data = this.#place(bytes)
    new Uint8Array(this.#memory!.buffer, data + bytes.length, 4).fill(255)
    const tables = header.codes.map((code) => (code ? this.#table(code.byteOffset - bytes.byteOffset + data) : 0))
    const quanta = header.quanta.map((numbers) => this.#quanta(numbers))
    if (tables.includes(-1)) return undefined
    const places = planes.map(({ stride, rows }) => this.#room(stride * rows))
    const scratch = this.#room(scratchBytes)
    const job = [planes.length, unitsOf(header, 'h'), unitsOf(header, 'v'), header.interval, side]
    for (const [i, { component, stride, blocks }] of planes.entries()) {
      const { h, v } = component
      job.push(h, v, quanta[component.quanta]!, tables[component.means]!, tables[component.others]!)
      job.push(places[i]!, stride, ...blocks)
    }
    if (kernels.scan(this.#place(Int32Array.from(job)), data + header.data, data + bytes.length, scratch) !== 0) {
      return undefined
    }
    const size = across.count * down.count
    const target = this.#room(planes.length * size)
    const widest = Math.max(...planes.map((plane) => plane.across.to - plane.across.from))
    const room = this.#room(12 * (across.count + 16) + 2 * (widest + 32))
    const making = [planes.length, across.count, down.count, target, size, across.count, room]
    for (const [i, plane] of planes.entries()) {
      const first = places[i]! + plane.across.from - plane.blocks[0] * side
      making.push(first, plane.stride, plane.across.to - plane.across.from, ...this.#weights(plane, side))
    }
    kernels.picture(this.#place(Int32Array.from(making)))
    return new Uint8Array(this.#memory!.buffer, target, planes.length * size)
  }

  /** Addresses of starts and weights, and how many weights, down and then across. */
  #weights({ down, across, blocks }: Plane, side: number): number[] {
    // Places of samples start from the first block that there is, and across from the first column that is summed.
    const fromRow = down.starts.map((start) => start - blocks[2] * side)
    const fromColumn = across.starts.map((start) => start - across.from)
    return [fromRow, down.weights, down.taps, fromColumn, across.weights, across.taps].map((part) =>
      typeof part === 'number' ? part : this.#place(part),
    )
  }

  #table(spec: number): number {
    const target = this.#room(tableBytes)
    return this.#kernels!.table(spec, target) < 0 ? -1 : target
  }

  #quanta(numbers: Uint16Array): number {
    // Damaged data may ask for places behind the last.
    const padded = new Uint16Array(80)
    padded.set(numbers)
    return this.#place(padded)
  }

  /** Starts over, with a memory of so many bytes at least. */
  #reserve(bytes: number): boolean {
    this.#used = firstByte
    if (bytes > mostBytes) return false
    if (bytes <= (this.#memory?.buffer.byteLength ?? 0)) return true
    const pages = Math.ceil((bytes * 1.25) / pageBytes)
    this.#memory = new webAssembly.Memory({ initial: pages, maximum: pages })
    this.#kernels = new webAssembly.Instance(this.#module, { env: { memory: this.#memory } })
      .exports as unknown as Kernels
    return true
  }

  #room(bytes: number): number {
    const start = this.#used
    this.#used = start + aligned(bytes)
    return start
  }

  #place(values: Uint8Array | Uint16Array | Int16Array | Int32Array): number {
    const start = this.#room(values.byteLength)
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    new Uint8Array(this.#memory!.buffer, start, values.byteLength).set(bytes)
    return start
  }
}

/** With room for a vector that is read over the end. */
const aligned = (bytes: number): number => ((bytes + 15) & ~15) + 16

function unitsOf({ width, height, components }: JpegHeader, key: 'h' | 'v'): number {
  const most = Math.max(...components.map((component) => component[key]))
  return Math.ceil((key === 'h' ? width : height) / (8 * most))
}

/** Which samples of a component the picture is made of. `side`: samples of a block. */
function planeOf(header: JpegHeader, component: JpegComponent, placement: Placement, side: number): Plane {
  const most = (key: 'h' | 'v'): number => Math.max(...header.components.map((each) => each[key]))
  const weights = (span: Span, length: number, key: 'h' | 'v', multiple: number): Weights => {
    // A sample of the plane is so many of the source.
    const step = ((8 / side) * most(key)) / component[key]
    const offset = ((span.first + 0.5 - span.size / 2) * span.shrink + length / 2) / step - 0.5
    return remembered(
      { size: Math.ceil(length / step), offset, shrink: span.shrink / step, count: span.count },
      multiple,
    )
  }
  const across = weights(placement.across, header.width, 'h', 8)
  const down = weights(placement.down, header.height, 'v', 2)
  const left = Math.floor(across.from / side)
  const right = Math.min(unitsOf(header, 'h') * component.h, Math.ceil(across.to / side))
  const top = Math.floor(down.from / side)
  const bottom = Math.min(unitsOf(header, 'v') * component.v, Math.ceil(down.to / side))
  const stride = (Math.max((right - left) * side, across.to - left * side) + 31) & ~15
  return {
    component,
    across,
    down,
    blocks: [left, right, top, bottom],
    stride,
    rows: Math.max(bottom * side, down.to) - top * side + 1,
  }
}

const known = new Map<string, Weights>()

/** Pictures of a folder have few sizes. */
function remembered(axis: Axis, multiple: number): Weights {
  const key = `${axis.size} ${axis.offset} ${axis.shrink} ${axis.count} ${multiple}`
  let found = known.get(key)
  if (!found) {
    if (known.size >= 64) known.clear()
    found = weightsOf(axis, multiple)
    known.set(key, found)
  }
  return found
}

function bytesNeeded(bytes: Uint8Array, planes: readonly Plane[], across: Span, down: Span): number {
  const weights = ({ starts, weights: all }: Weights): number => starts.byteLength + all.byteLength
  const ofPlanes = planes.reduce(
    (sum, plane) =>
      sum + plane.stride * plane.rows + weights(plane.across) + weights(plane.down) + across.count * down.count,
    0,
  )
  // Tables, numbers of both jobs, rows between the passes, and the ends of all that is aligned.
  const rest = 8 * tableBytes + 12 * across.count + 2 * Math.max(...planes.map(({ stride }) => stride)) + 8192
  return firstByte + bytes.length + ofPlanes + rest
}

/** The planes of the form: what is grey three times over, and the background round a picture that does not fill the form. */
function frame(pixels: Uint8Array, form: ImageForm, { across, down }: Placement, into: Uint8Array): void {
  const size = across.count * down.count
  const full = form.height * form.width
  for (let c = 0; c < form.channels; c++) {
    const plane = into.subarray(c * full, (c + 1) * full)
    const from = pixels.length === size ? 0 : c * size
    if (size === full) {
      plane.set(pixels.subarray(from, from + size))
      continue
    }
    plane.fill(form.background[c]!)
    for (let y = 0; y < down.count; y++) {
      const row = pixels.subarray(from + y * across.count, from + (y + 1) * across.count)
      plane.set(row, (y + down.at) * form.width + across.at)
    }
  }
}
