/**
 * Initial values of parameters, with Keras' names and definitions. `fan in` and `fan out` are the numbers of connections into
 * and out of a unit. A dense kernel is stored [in, out]; a convolution kernel [out, in / groups, ...window], a transposed one
 * [in, out / groups, ...window], as in ONNX.
 */
import { QuernError, suggestion } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import { type StaticShape, sizeOf } from '../core/shape.ts'

export type InitializerName =
  | 'zeros'
  | 'ones'
  | 'glorotUniform'
  | 'glorotNormal'
  | 'heUniform'
  | 'heNormal'
  | 'lecunUniform'
  | 'lecunNormal'
  | 'randomNormal'
  | 'randomUniform'
  | 'orthogonal'

/** A name, or a name with its numbers: `{ name: 'randomNormal', stddev: 0.02 }`, `{ name: 'constant', value: 0.5 }`. */
export type Initializer =
  | InitializerName
  | { readonly name: 'constant'; readonly value: number }
  /** equal blocks of the first axis, a value each: such as the biases of an LSTM's gates */
  | { readonly name: 'blocks'; readonly values: readonly number[] }
  /** every element, row-major: such as the weights of a model that is trained on */
  | { readonly name: 'given'; readonly elements: Float32Array }
  | { readonly name: 'randomNormal'; readonly mean?: number; readonly stddev?: number }
  | { readonly name: 'randomUniform'; readonly minval?: number; readonly maxval?: number }

/** How the dimensions of a kernel are read: see the head of this file. */
export type KernelLayout = 'dense' | 'convolution' | 'transposedConvolution'

interface Fans {
  readonly fanIn: number
  readonly fanOut: number
}

function fansOf(shape: StaticShape, layout: KernelLayout): Fans {
  if (shape.length < 2) return { fanIn: shape[0] ?? 1, fanOut: shape[0] ?? 1 }
  if (layout === 'dense') return { fanIn: sizeOf(shape.slice(0, -1)), fanOut: shape.at(-1)! }
  const window = sizeOf(shape.slice(2))
  const [first, second] = [shape[0]! * window, shape[1]! * window]
  return layout === 'convolution' ? { fanIn: second, fanOut: first } : { fanIn: first, fanOut: second }
}

/** Standard deviation of a normal distribution cut at two deviations, relative to the uncut one. */
const truncation = 0.87962566103423978

/** Scales of the variance-scaling family: Glorot & Bengio 2010, He et al. 2015, LeCun et al. 1998. */
const scaling: Readonly<Record<string, (fans: Fans) => number>> = {
  glorot: ({ fanIn, fanOut }) => 2 / (fanIn + fanOut),
  he: ({ fanIn }) => 2 / fanIn,
  lecun: ({ fanIn }) => 1 / fanIn,
}

function truncatedNormal(random: Random): number {
  let value = random.normal()
  while (Math.abs(value) > 2) value = random.normal()
  return value
}

/** Fills `out`, which has the elements of the shape. */
type Draw = (out: Float32Array, random: Random, shape: StaticShape, layout: KernelLayout) => void

const filled =
  (next: (random: Random) => number): Draw =>
  (out, random) => {
    for (let i = 0; i < out.length; i++) out[i] = next(random)
  }

function varianceScaling(family: string, uniform: boolean): Draw {
  return (out, random, shape, layout) => {
    const variance = scaling[family]!(fansOf(shape, layout))
    const limit = Math.sqrt(3 * variance)
    const deviation = Math.sqrt(variance) / truncation
    const next = (r: Random) => (uniform ? limit * (2 * r.uniform() - 1) : deviation * truncatedNormal(r))
    filled(next)(out, random, shape, layout)
  }
}

/**
 * Rows (or columns, whichever are fewer) are orthonormal: Saxe et al. 2014, by Gram-Schmidt on normal draws. The matrix has one
 * axis for the units: the columns of a dense kernel, the rows of a convolution kernel.
 */
const orthogonal: Draw = (out, random, shape, layout) => {
  const units = (layout === 'convolution' ? shape[0] : shape.at(-1)) ?? 1
  const others = units === 0 ? 0 : sizeOf(shape) / units
  const [rows, columns] = layout === 'convolution' ? [units, others] : [others, units]
  const [count, length] = rows < columns ? [rows, columns] : [columns, rows]
  const vectors: Float64Array[] = []
  while (vectors.length < count) {
    const v = Float64Array.from({ length }, () => random.normal())
    for (const u of vectors) {
      const projection = dot(v, u)
      for (let i = 0; i < length; i++) v[i]! -= projection * u[i]!
    }
    const norm = Math.sqrt(dot(v, v))
    if (norm > 1e-6) vectors.push(v.map((x) => x / norm))
  }
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[r * columns + c] = rows < columns ? vectors[r]![c]! : vectors[c]![r]!
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

const draws: Readonly<Record<InitializerName, Draw>> = {
  zeros: filled(() => 0),
  ones: filled(() => 1),
  glorotUniform: varianceScaling('glorot', true),
  glorotNormal: varianceScaling('glorot', false),
  heUniform: varianceScaling('he', true),
  heNormal: varianceScaling('he', false),
  lecunUniform: varianceScaling('lecun', true),
  lecunNormal: varianceScaling('lecun', false),
  randomNormal: filled((r) => 0.05 * r.normal()),
  randomUniform: filled((r) => 0.1 * r.uniform() - 0.05),
  orthogonal,
}

/** Initial elements, row-major; given ones are not copied. See `writeInitialValues`. */
export function initialValues(
  initializer: Initializer,
  shape: StaticShape,
  random: Random,
  layout: KernelLayout = 'dense',
): Float32Array {
  const count = sizeOf(shape)
  if (typeof initializer === 'object' && initializer.name === 'given') return elementsOf(initializer, count)
  const out = new Float32Array(count)
  writeInitialValues(out, initializer, { shape, random, layout })
  return out
}

/**
 * Writes initial elements, row-major, to `out`. The same stream gives the same elements.
 *
 * @throws QuernError 'config' for an unknown name, and for given elements of another number
 */
export function writeInitialValues(
  out: Float32Array,
  initializer: Initializer,
  of: { readonly shape: StaticShape; readonly random: Random; readonly layout?: KernelLayout },
): void {
  drawOf(initializer)(out, of.random, of.shape, of.layout ?? 'dense')
}

/** The elements that are given, if they are as many. */
function elementsOf({ elements }: { readonly elements: Float32Array }, count: number): Float32Array {
  if (elements.length === count) return elements
  throw new QuernError('config', `${count} initial elements are needed, received ${elements.length}`)
}

function drawOf(initializer: Initializer): Draw {
  if (typeof initializer === 'string') {
    if (Object.hasOwn(draws, initializer)) return draws[initializer]
    throw unknown(initializer, [...Object.keys(draws), 'constant', 'blocks', 'given'])
  }
  switch (initializer.name) {
    case 'constant':
      return (out) => out.fill(initializer.value)
    case 'blocks':
      return (out) => {
        const size = out.length / initializer.values.length
        for (let i = 0; i < out.length; i++) out[i] = initializer.values[Math.floor(i / size)]!
      }
    case 'given':
      return (out) => out.set(elementsOf(initializer, out.length))
    case 'randomNormal': {
      const { mean = 0, stddev = 0.05 } = initializer
      return filled((r) => mean + stddev * r.normal())
    }
    case 'randomUniform': {
      const { minval = -0.05, maxval = 0.05 } = initializer
      return filled((r) => minval + (maxval - minval) * r.uniform())
    }
    default:
      throw unknown((initializer as { name: unknown }).name, ['constant', 'blocks', 'randomNormal', 'randomUniform'])
  }
}

function unknown(name: unknown, known: readonly string[]): QuernError {
  return new QuernError('config', `unknown initializer '${String(name)}'. ${suggestion(String(name), known)}`)
}
