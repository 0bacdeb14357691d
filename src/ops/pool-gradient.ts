/** Gradients of pooling in standard operators, chosen by time in ONNX Runtime 1.30 on the CPU. */
import { requireStatic, type Shape, sizeOf } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, type Node, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import type { Windows } from './window.ts'

/**
 * Each dy goes to the element that its window chose. MaxPool names it in its second output as the index into the whole
 * flattened input; where windows overlap, several dy add up at one element.
 */
export function maxPoolGradient(g: Emitter, node: Node, x: Value, dy: Value): Value {
  const shape = requireStatic(shapeOf(x), 'the gradient of MaxPool')
  const count = [sizeOf(requireStatic(shapeOf(dy), 'the gradient of MaxPool'))]
  const flat = g.full([sizeOf(shape)], 0, dtypeOf(x))
  const indices = g.reshape(indicesOf(g, node, x), count)
  const spread = g.op('ScatterElements', [flat, indices, g.reshape(dy, count)], { axis: 0, reduction: 'add' })
  return g.reshape(spread, shape)
}

/** The second output of a MaxPool node, from the node itself when it has one, otherwise from a repeated node. */
function indicesOf(g: Emitter, node: Node, x: Value): Value {
  const { storage_order: order, ...attributes } = node.attributes
  if (node.outputs[1] && order?.value !== 1) return node.outputs[1]
  const y = node.outputs[0]
  return g.repeat({ ...node, attributes, outputs: [y, y] }, [x])[1]!
}

/**
 * What each input gets of the outputs of the windows that cover it: dy itself ('sum') or dy over the number of elements of the window, padding
 * counted or not ('mean'). A sum over windows is a product with one 0/1 matrix [outputs, inputs] an axis, and so is its
 * transpose, which is asked for here; overlap, padding and dilation only change the matrix.
 */
export function spreadOverWindows(
  g: Emitter,
  dy: Value,
  input: Shape,
  windows: Windows,
  mode: 'sum' | 'mean' | 'mean-with-padding',
): Value {
  const sizes = requireStatic(input.slice(2), 'the gradient of a pool')
  const outputs = requireStatic(shapeOf(dy).slice(2), 'the gradient of a pool')
  const channels = requireStatic(shapeOf(dy).slice(0, 2), 'the gradient of a pool')
  return sizes.reduceRight((spread, size, axis) => {
    const matrix = axisMatrix(windows, axis, size, outputs[axis]!, mode)
    const last = axis === sizes.length - 1
    if (last) {
      return g.matMul(spread, g.constant(tensorFromNumbers(dtypeOf(dy), [outputs[axis]!, size], matrix)))
    }
    // [.., size, outputs] x [.., outputs, rest]
    const turned = Array.from(
      { length: size * outputs[axis]! },
      (_, i) => matrix[(i % outputs[axis]!) * size + Math.floor(i / outputs[axis]!)]!,
    )
    const before = sizeOf(channels) * sizeOf(outputs.slice(0, axis))
    const rest = sizeOf(sizes.slice(axis + 1))
    const left = g.constant(tensorFromNumbers(dtypeOf(dy), [size, outputs[axis]!], turned))
    const product = g.matMul(left, g.reshape(spread, [before, outputs[axis]!, rest]))
    return g.reshape(product, [...channels, ...outputs.slice(0, axis), ...sizes.slice(axis)])
  }, dy)
}

/** [outputs, size] along one axis: what output o takes of input i, 1 or one over the number of elements of the window. */
function axisMatrix(windows: Windows, axis: number, size: number, outputs: number, mode: string): number[] {
  const [stride, dilation, before, after] = [windows.strides, windows.dilations, windows.before, windows.after].map(
    (list) => list[axis]!,
  ) as [number, number, number, number]
  const matrix = new Array<number>(outputs * size).fill(0)
  for (let o = 0; o < outputs; o++) {
    const taps = Array.from({ length: windows.kernel[axis]! }, (_, k) => o * stride + k * dilation - before)
    const inside = taps.filter((i) => i >= 0 && i < size)
    // Windows of the ceil mode may reach beyond the padding; what lies there never counts.
    const counted = mode === 'mean-with-padding' ? taps.filter((i) => i < size + after) : inside
    for (const i of inside) matrix[o * size + i] = mode === 'sum' ? 1 : 1 / counted.length
  }
  return matrix
}
