/**
 * The arena: one WebAssembly memory with everything that a training step touches (parameters, gradients, optimiser
 * slots, batches). ONNX Runtime and the SIMD kernels read and write it in place; nothing is copied.
 *
 * Two steps, since a memory that grows detaches every view on it: plan layouts, then create the memory at its exact
 * size. Regions made from the same layout mirror each other: a tensor has the same offset in each, counted from the
 * start of the region, so one kernel call updates a whole region or a run of neighbouring tensors. Tensors start on
 * 64 bytes (a cache line) and the padding between them is zero; kernels must keep it zero.
 *
 * Knows nothing of training: names of regions and tensors mean nothing here.
 */
import { byteLength, type DType, dtypes, storageLength } from '../core/dtype.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import { formatShape, type StaticShape, sizeOf } from '../core/shape.ts'
import { type Tensor, tensor } from '../core/tensor.ts'
import { pageBytes, type WasmMemory, webAssembly } from './webassembly.ts'

export interface TensorSpec {
  readonly name: string
  readonly dtype: DType
  readonly shape: StaticShape
}

/** A tensor's place; offsets count from the start of its region. */
export interface TensorPlace extends TensorSpec {
  readonly byteOffset: number
  /** without the padding behind it */
  readonly byteLength: number
}

/** Places of named tensors, in the order given. */
export interface Layout {
  readonly places: ReadonlyMap<string, TensorPlace>
  /** a multiple of 64, padding included */
  readonly byteLength: number
}

/** A stretch of the memory that holds one layout. */
export interface Region {
  readonly name: string
  readonly layout: Layout
  /** address in the memory, a multiple of 64 */
  readonly byteOffset: number
  readonly byteLength: number
  /** The named tensor as a view on the memory: writing to its data writes the memory. The same object at each call. */
  view(name: string): Tensor
  /** All views, in the order of the layout. */
  readonly views: ReadonlyMap<string, Tensor>
  /** The region's bytes as float32 numbers, padding included; meaningful when its tensors are float32. */
  readonly whole: Float32Array
}

export interface Arena {
  readonly memory: WasmMemory
  /** bytes planned; the memory is this, rounded up to pages of 64 KiB */
  readonly byteLength: number
  readonly regions: ReadonlyMap<string, Region>
  region(name: string): Region
}

const alignment = 64

/** Largest memory: 4 GiB less one page, so that the address behind the last byte is still a 32-bit number. */
const maximumPages = 65535

const aligned = (bytes: number) => Math.ceil(bytes / alignment) * alignment

/**
 * Places tensors one behind the other, each on a multiple of 64 bytes.
 *
 * @throws QuernError for a name used twice, a dtype without fixed size (string) or a size that is no whole number
 * @example
 * const layout = planLayout([{ name: 'w', dtype: 'float32', shape: [784, 10] }, { name: 'b', dtype: 'float32', shape: [10] }])
 */
export function planLayout(entries: readonly TensorSpec[]): Layout {
  const places = new Map<string, TensorPlace>()
  let end = 0
  for (const { name, dtype, shape } of entries) {
    if (places.has(name))
      throw new QuernError('input', `an arena layout names each tensor once, received '${name}' twice`)
    if (dtypes[dtype].array === undefined) {
      throw new QuernError('unsupported', `an arena holds numbers, received '${name}' of type ${dtype}`)
    }
    if (!shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) {
      throw new QuernError(
        'input',
        `tensor '${name}' of an arena needs whole sizes >= 0, received ${formatShape(shape)}`,
      )
    }
    const place = { name, dtype, shape, byteOffset: end, byteLength: byteLength(dtype, sizeOf(shape)) }
    places.set(name, place)
    end = aligned(end + place.byteLength)
  }
  return { places, byteLength: end }
}

/**
 * Allocates one zeroed memory that holds every region.
 *
 * @throws QuernError 'unsupported' when the plan exceeds the 4 GiB that a WebAssembly memory can address or the
 *   memory that the machine gives
 * @example
 * const layout = planLayout([{ name: 'w', dtype: 'float32', shape: [784, 10] }])
 * const arena = createArena({ regions: { parameters: layout, gradients: layout, 'adam/m': layout, 'adam/v': layout } })
 * arena.region('gradients').view('w').data[0] = 1
 */
export function createArena({ regions }: { regions: Readonly<Record<string, Layout>> }): Arena {
  const offsets: [name: string, layout: Layout, byteOffset: number][] = []
  let end = alignment // address 0 stays unused, so that a forgotten offset is not a tensor
  for (const [name, layout] of Object.entries(regions)) {
    offsets.push([name, layout, end])
    end += layout.byteLength
  }
  const memory = allocate(end, offsets)
  const made = new Map(offsets.map(([name, layout, offset]) => [name, createRegion(memory, name, layout, offset)]))
  return {
    memory,
    byteLength: end,
    regions: made,
    region(name) {
      const region = made.get(name)
      if (region) return region
      throw new QuernError('missing', `the arena has no region '${name}'. ${suggestion(name, made.keys())}`)
    },
  }
}

function createRegion(memory: WasmMemory, name: string, layout: Layout, byteOffset: number): Region {
  const views = new Map<string, Tensor>()
  for (const place of layout.places.values()) {
    const length = storageLength(place.dtype, sizeOf(place.shape))
    const data = new dtypes[place.dtype].array!(memory.buffer, byteOffset + place.byteOffset, length)
    views.set(place.name, tensor(place.dtype, place.shape, data))
  }
  return {
    name,
    layout,
    byteOffset,
    byteLength: layout.byteLength,
    views,
    whole: new Float32Array(memory.buffer, byteOffset, layout.byteLength / 4),
    view(tensorName) {
      const view = views.get(tensorName)
      if (view) return view
      throw new QuernError(
        'missing',
        `region '${name}' of the arena has no tensor '${tensorName}'. ${suggestion(tensorName, views.keys())}`,
      )
    },
  }
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MB`

function allocate(
  bytes: number,
  regions: readonly (readonly [name: string, layout: Layout, byteOffset: number])[],
): WasmMemory {
  const parts = regions.map(([name, layout]) => `${name} ${megabytes(layout.byteLength)}`).join(', ')
  const hint =
    'Use a smaller batch or model, train fewer of its parameters (freeze or LoRA), or an optimizer with fewer slots: ' +
    'sgd keeps none, momentum one, adam two per parameter, adafactor one for each row and column of a matrix.'
  const pages = Math.max(1, Math.ceil(bytes / pageBytes))
  if (pages > maximumPages) {
    const limit = megabytes(maximumPages * pageBytes)
    throw new QuernError(
      'unsupported',
      `a training step of this model needs ${megabytes(bytes)} in one WebAssembly memory, which holds at most ${limit}: ${parts}`,
      { hint },
    )
  }
  try {
    return new webAssembly.Memory({ initial: pages, maximum: pages })
  } catch (cause) {
    throw new QuernError(
      'unsupported',
      `this machine did not give the ${megabytes(bytes)} that training needs: ${parts}`,
      {
        hint,
        cause,
      },
    )
  }
}
