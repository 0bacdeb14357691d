/** Lanczos' kernel of three lobes as integers of 14 bits, of each column (or row) of a picture over the samples of a plane. */

/** One direction of a plane: sample x of the picture stands at `offset + shrink * x` among the plane's samples. */
export interface Axis {
  /** samples of the plane, of which those at the ends stand for all behind them */
  readonly size: number
  readonly offset: number
  /** samples of the plane for each of the picture */
  readonly shrink: number
  /** samples of the picture */
  readonly count: number
}

export interface Weights {
  /** the first sample of each */
  readonly starts: Int32Array
  /** [count, taps] */
  readonly weights: Int16Array
  readonly taps: number
  /** samples from `from` on to `to`, not included, are asked for */
  readonly from: number
  readonly to: number
}

const lobes = 3
const one = 1 << 14
const steps = 1024

/** sin(pi x) sin(pi x / 3) / (pi^2 x^2 / 3) at multiples of 1 / 1024 from 0 to 3 (Duchon, "Lanczos Filtering in One and Two Dimensions", 1979) */
const kernel = Float64Array.from({ length: lobes * steps + 2 }, (_, i) => {
  const x = (Math.PI * i) / steps
  if (i === 0) return 1
  return i >= lobes * steps ? 0 : (lobes * Math.sin(x) * Math.sin(x / lobes)) / (x * x)
})

function kernelAt(x: number): number {
  const place = Math.abs(x) * steps
  const i = Math.floor(place)
  if (i >= lobes * steps) return 0
  return kernel[i]! + (place - i) * (kernel[i + 1]! - kernel[i]!)
}

/** Weights of an axis; their number is a multiple of `multiple`, and so is that of the columns. */
export function weightsOf({ size, offset, shrink, count }: Axis, multiple: number): Weights {
  const scale = Math.max(1, shrink)
  const reach = lobes * scale
  const taps = Math.ceil((2 * reach + 1) / multiple) * multiple
  const padded = Math.ceil(count / multiple) * multiple
  const [starts, weights] = [new Int32Array(padded), new Int16Array(padded * taps)]
  const row = new Float64Array(taps)
  let [from, to] = [size, 0]
  for (let x = 0; x < count; x++) {
    const centre = offset + shrink * x
    const first = Math.ceil(centre - reach)
    const start = Math.max(0, Math.min(first, size - taps))
    row.fill(0)
    let sum = 0
    for (let i = first; i <= centre + reach; i++) {
      const weight = kernelAt((i - centre) / scale)
      row[Math.max(0, Math.min(i, size - 1)) - start]! += weight
      sum += weight
    }
    roundTo(row, sum, weights.subarray(x * taps, (x + 1) * taps))
    starts[x] = start
    from = Math.min(from, start)
    to = Math.max(to, start + taps)
  }
  starts.fill(from, count)
  return { starts, weights, taps, from, to }
}

/** Shares of the sum as integers whose sum is 1 << 14: what rounding leaves goes to the largest. */
function roundTo(row: Float64Array, sum: number, into: Int16Array): void {
  let [left, largest] = [one, 0]
  for (let i = 0; i < row.length; i++) {
    into[i] = Math.round((row[i]! / sum) * one)
    left -= into[i]!
    if (row[i]! > row[largest]!) largest = i
  }
  into[largest]! += left
}
