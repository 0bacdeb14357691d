/** The gradient of a layer normalisation, with few passes over the elements: beside products, it is most of what a Transformer does. */
import { isStatic, sizeOf } from '../core/shape.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'

export interface LayerValues {
  readonly dy: Value
  /** c = x - mean */
  readonly centred: Value
  readonly scale: Value
  /** i = 1 / deviation, with 1 in place of the normalised axes */
  readonly inverse: Value
  /** normalised axes, the last ones */
  readonly axes: readonly number[]
  /** n, elements along them */
  readonly count: number
}

/** dx = i (s dy - mean(s dy) - c i^2 mean(s dy c)) and ds = sum(i dy c), where s is the scale. */
export function layerGradients(g: Emitter, values: LayerValues): { dx: Value; dScale: Value } {
  const { dy, centred, scale, inverse } = values
  const weighted = g.mul(dy, centred)
  const { meanOfScaled, sumOfInverse } = isMatrix(values) ? byProducts(g, values) : byReductions(g, values)
  const along = g.mul(meanOfScaled(weighted), g.mul(inverse, inverse))
  const around = g.sub(g.sub(g.mul(dy, scale), meanOfScaled(dy)), g.mul(centred, along))
  return { dx: g.mul(around, inverse), dScale: sumOfInverse(weighted) }
}

/** How mean(s v) over the normalised axes and the sum of i v over the others are computed. */
interface Reductions {
  readonly meanOfScaled: (v: Value) => Value
  readonly sumOfInverse: (v: Value) => Value
}

/** True when every normalised element has its scale: the values are a matrix then, [rows, n]. */
function isMatrix({ centred, scale, count }: LayerValues): boolean {
  const [shape, scales] = [shapeOf(centred), shapeOf(scale)]
  return isStatic(shape) && isStatic(scales) && sizeOf(shape) > 0 && sizeOf(scales) === count
}

/** As products with a vector: no pass over the elements of their own. */
function byProducts(g: Emitter, { scale, inverse, count }: LayerValues): Reductions {
  const column = g.reshape(g.mul(scale, 1 / count), [count, 1])
  const row = g.reshape(inverse, [1, -1])
  const matrix = (v: Value): Value => g.reshape(v, [-1, count])
  return {
    meanOfScaled: (v) => g.reshape(g.matMul(matrix(v), column), shapeOf(inverse)),
    sumOfInverse: (v) => g.reshape(g.matMul(row, matrix(v)), shapeOf(scale)),
  }
}

function byReductions(g: Emitter, { scale, inverse, axes }: LayerValues): Reductions {
  return {
    meanOfScaled: (v) => g.mean(g.mul(v, scale), axes, true),
    sumOfInverse: (v) => g.sumTo(g.mul(v, inverse), shapeOf(scale)),
  }
}

/** What the outputs mean and 1 / deviation add to dx: dmean / n and -c i^3 dinverse / n. */
export function statisticsGradient(
  g: Emitter,
  { centred, inverse, count }: LayerValues,
  dMean: Value | undefined,
  dInverse: Value | undefined,
): Value[] {
  const share = (of: Value): Value => g.mul(g.cast(of, dtypeOf(centred)), 1 / count)
  const cube = (): Value => g.mul(inverse, g.mul(inverse, inverse))
  return [
    ...(dMean ? [share(dMean)] : []),
    ...(dInverse ? [g.neg(g.mul(centred, g.mul(share(dInverse), cube())))] : []),
  ]
}
