/** Linear maps that act on each axis apart (sums over windows, resizing), as products with one small constant matrix an axis. */
import { requireStatic, sizeOf } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'

/** What output o of an axis takes of input i: elements [outputs, inputs], row by row. */
export interface AxisMatrix {
  readonly axis: number
  readonly outputs: number
  readonly inputs: number
  readonly elements: readonly number[]
}

/**
 * The gradient of y = x with every matrix applied: each axis of dy goes from `outputs` back to `inputs` by the transposed matrix. dy must have a
 * static shape.
 */
export function transposedProduct(g: Emitter, dy: Value, matrices: readonly AxisMatrix[]): Value {
  return matrices.reduceRight((spread, { axis, outputs, inputs, elements }) => {
    const shape = requireStatic(shapeOf(spread), 'the gradient of a resized tensor')
    const constant = (sizes: readonly number[], values: readonly number[]) =>
      g.constant(tensorFromNumbers(dtypeOf(dy), sizes, values))
    // On the last axis: [.., outputs] [outputs, inputs]
    if (axis === shape.length - 1) return g.matMul(spread, constant([outputs, inputs], elements))
    // Elsewhere: [inputs, outputs] [before, outputs, behind]
    const turned = Array.from(
      { length: inputs * outputs },
      (_, i) => elements[(i % outputs) * inputs + Math.floor(i / outputs)]!,
    )
    const before = sizeOf(shape.slice(0, axis))
    const behind = sizeOf(shape.slice(axis + 1))
    const product = g.matMul(constant([inputs, outputs], turned), g.reshape(spread, [before, outputs, behind]))
    return g.reshape(product, [...shape.slice(0, axis), inputs, ...shape.slice(axis + 1)])
  }, dy)
}

/** y = x with every matrix applied, each axis going from `inputs` to `outputs`. x must have a static shape. */
export function matrixProduct(g: Emitter, x: Value, matrices: readonly AxisMatrix[]): Value {
  return transposedProduct(
    g,
    x,
    matrices.map(({ axis, outputs, inputs, elements }) => ({
      axis,
      outputs: inputs,
      inputs: outputs,
      elements: Array.from(
        { length: inputs * outputs },
        (_, i) => elements[(i % outputs) * inputs + Math.floor(i / outputs)]!,
      ),
    })),
  )
}
