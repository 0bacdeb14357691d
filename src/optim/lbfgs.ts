/**
 * L-BFGS (Liu & Nocedal, "On the limited memory BFGS method for large scale optimization", 1989) with a line search for the strong Wolfe
 * conditions (Nocedal & Wright, "Numerical optimization", 2006, algorithms 3.5, 3.6 and 7.4), for functions that give the same value at the
 * same point: no batches, no masks drawn anew. Knows nothing of networks; train/minimize.ts brings them.
 */
import { type Fields, type Given, number, readOptions } from './options.ts'

export interface LbfgsOptions {
  readonly maxIterations: number
  /** differences of points and gradients that are remembered */
  readonly historySize: number
  /** ends where no element of the gradient is larger */
  readonly gradientTolerance: number
  /** ends where the value changes by no more, relative to its size (at least 1) */
  readonly changeTolerance: number
}

const fields: Fields<LbfgsOptions> = {
  maxIterations: number(100, { minimum: 1, whole: true }),
  historySize: number(10, { minimum: 1, whole: true }),
  gradientTolerance: number(1e-5, { minimum: 0 }),
  changeTolerance: number(1e-9, { minimum: 0 }),
}

export interface Point {
  readonly x: Float64Array
  readonly value: number
  readonly gradient: Float64Array
}

export interface Minimum extends Point {
  readonly iterations: number
  /** 'line-search': no step lowers the value any more, as far as its precision shows */
  readonly reason: 'gradient' | 'change' | 'line-search' | 'iterations'
}

/** Value and gradient at a point; the arrays are not kept by either side. */
export type Objective = (x: Float64Array) => Promise<Omit<Point, 'x'>>

/** @throws QuernError 'config' for an unknown option or one out of range */
export async function lbfgs(f: Objective, start: Float64Array, options: Given<LbfgsOptions> = {}): Promise<Minimum> {
  const { maxIterations, historySize, gradientTolerance, changeTolerance } = readOptions('lbfgs', options, fields)
  const at = async (x: Float64Array): Promise<Point> => ({ x, ...(await f(x)) })
  const pairs: Pair[] = []
  let now = await at(start.slice())
  for (let iterations = 0; ; iterations++) {
    const end = (reason: Minimum['reason']): Minimum => ({ ...now, iterations, reason })
    if (now.gradient.every((g) => Math.abs(g) <= gradientTolerance)) return end('gradient')
    if (iterations === maxIterations) return end('iterations')
    const direction = descent(now.gradient, pairs)
    const first = pairs.length > 0 ? 1 : Math.min(1, 1 / now.gradient.reduce((sum, g) => sum + Math.abs(g), 0))
    const next = await search(at, now, direction, first)
    if (!next && pairs.length === 0) return end('line-search')
    if (!next) {
      pairs.length = 0 // what was remembered misleads: once more along the gradient
      continue
    }
    const [s, y] = [minus(next.x, now.x), minus(next.gradient, now.gradient)]
    const curvature = dot(s, y)
    if (curvature > 1e-12 * dot(y, y)) pairs.push({ s, y, curvature })
    if (pairs.length > historySize) pairs.shift()
    const change = Math.abs(now.value - next.value)
    now = next
    if (change <= changeTolerance * Math.max(1, Math.abs(now.value))) {
      return { ...now, iterations: iterations + 1, reason: 'change' }
    }
  }
}

interface Pair {
  readonly s: Float64Array
  readonly y: Float64Array
  /** s'y */
  readonly curvature: number
}

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
const minus = (a: Float64Array, b: Float64Array) => a.map((x, i) => x - b[i]!)
const plus = (a: Float64Array, factor: number, b: Float64Array) => a.map((x, i) => x + factor * b[i]!)

/** - H g by the two-loop recursion, H the estimate of the inverse Hessian. */
function descent(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  let q = gradient.map((g) => -g)
  const alphas: number[] = []
  for (const { s, y, curvature } of pairs.toReversed()) {
    const alpha = dot(s, q) / curvature
    alphas.push(alpha)
    q = plus(q, -alpha, y)
  }
  const last = pairs.at(-1)
  if (last) {
    const scale = last.curvature / dot(last.y, last.y)
    q = q.map((x) => x * scale)
  }
  for (const { s, y, curvature } of pairs) q = plus(q, alphas.pop()! - dot(y, q) / curvature, s)
  return q
}

interface Trial extends Point {
  readonly t: number
  /** along the line */
  readonly slope: number
}

const [decrease, flatness, mostTrials] = [1e-4, 0.9, 25]

/** A point along the line that meets the strong Wolfe conditions, or the best that was found; undefined where none is lower. */
async function search(
  at: (x: Float64Array) => Promise<Point>,
  from: Point,
  direction: Float64Array,
  first: number,
): Promise<Point | undefined> {
  const slope = dot(from.gradient, direction)
  if (!(slope < 0)) return undefined
  const start: Trial = { ...from, t: 0, slope }
  const go = async (t: number): Promise<Trial> => {
    const point = await at(plus(from.x, t, direction))
    return { ...point, t, slope: dot(point.gradient, direction) }
  }
  // A value that is not finite is too high.
  const isHigh = (trial: Trial, than: Trial) =>
    !(trial.value <= start.value + decrease * trial.t * slope) || (than.t > 0 && trial.value >= than.value)
  const isFlat = (trial: Trial) => Math.abs(trial.slope) <= -flatness * slope
  let [low, high]: [Trial, Trial | undefined] = [start, undefined]
  for (let i = 0; i < mostTrials; i++) {
    const trial = await go(high ? between(low, high) : low.t === 0 ? first : 2 * low.t)
    if (isHigh(trial, low)) high = trial
    else if (isFlat(trial)) return trial
    else {
      const turns = high ? trial.slope * (high.t - low.t) >= 0 : trial.slope >= 0
      if (turns) high = low
      low = trial
    }
  }
  return low.t > 0 ? low : undefined
}

/** Where a cubic through both ends and their slopes is least, kept a tenth away from either. */
function between(a: Trial, b: Trial): number {
  const d1 = a.slope + b.slope - (3 * (a.value - b.value)) / (a.t - b.t)
  const square = d1 * d1 - a.slope * b.slope
  const d2 = Math.sign(b.t - a.t) * Math.sqrt(square)
  const least = b.t - ((b.t - a.t) * (b.slope + d2 - d1)) / (b.slope - a.slope + 2 * d2)
  const [from, to] = [Math.min(a.t, b.t), Math.max(a.t, b.t)]
  const margin = 0.1 * (to - from)
  return Number.isFinite(least) ? Math.min(to - margin, Math.max(from + margin, least)) : (from + to) / 2
}
