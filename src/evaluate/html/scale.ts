/** Axes: round tick values, and the map from a value to a position. */

/** Round numbers (1, 2, 2.5 or 5 times a power of ten) that cover [low, high] in about `count` steps. */
export function ticks(low: number, high: number, count = 4): number[] {
  const span = high - low || Math.abs(high) || 1
  const power = 10 ** Math.floor(Math.log10(span / count))
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => span / s <= count)!
  const first = Math.floor(low / step + 1e-9)
  const last = Math.max(Math.ceil(high / step - 1e-9), first + 1)
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** Whole numbers of a range, thinned to at most `most`; the first and the last always stand. */
export function wholeTicks(first: number, last: number, most = 8): number[] {
  const step = ticks(0, Math.max(1, last - first), most).at(1)!
  const every = Math.max(1, Math.ceil(step))
  const inner: number[] = []
  for (let x = Math.ceil((first + 1) / every) * every; x < last; x += every) {
    if (x - first > every / 2 && last - x > every / 2) inner.push(x)
  }
  return first === last ? [first] : [first, ...inner, last]
}

/** Linear map of [from, to] onto [a, b], rounded to a tenth of a pixel. */
export function linear(from: number, to: number, a: number, b: number): (x: number) => number {
  const span = to - from || 1
  return (x) => Math.round((a + ((x - from) / span) * (b - a)) * 10) / 10
}

/** Moves labels (sorted or not) apart so that none is nearer than `gap` to another; keeps their order and index. */
export function spread(positions: readonly number[], gap: number, low: number, high: number): number[] {
  const order = positions.map((_, i) => i).sort((a, b) => positions[a]! - positions[b]!)
  const out = [...positions]
  let floor = low
  for (const i of order) {
    out[i] = Math.max(out[i]!, floor)
    floor = out[i]! + gap
  }
  let ceiling = high
  for (const i of order.reverse()) {
    out[i] = Math.min(out[i]!, ceiling)
    ceiling = out[i]! - gap
  }
  return out
}
