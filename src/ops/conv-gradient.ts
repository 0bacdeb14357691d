/**
 * Gradients of convolution with respect to kernel and bias, in standard operators; conv-input-gradient.ts has the input's. The recipes were timed
 * in ONNX Runtime 1.30 on the CPU; `convWeightGradient` is the one place where they are chosen.
 */
import { requireStatic, sizeOf } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import type { Windows } from './window.ts'

export { convInputGradient, transposeInputGradient } from './conv-input-gradient.ts'

/** db[m] = sum over batch and space of dy[n, m, ...] */
export function biasGradient(g: Emitter, dy: Value): Value {
  return g.sum(
    dy,
    shapeOf(dy).flatMap((_, axis) => (axis === 1 ? [] : [axis])),
  )
}

/**
 * dw[m, c, k] = sum over n, o of dy[n, m, o] x[n, c, o * stride + k * dilation - before], x [n, C, ...], dy [n, M, ...]
 *
 * Few values a window: the windows are laid out once (im2col) and multiplied by dy in one batched MatMul. Many: one batched
 * MatMul a kernel tap, which copies nothing but the shifted input. Best ms for 3x3, batch 32 (8 in the last row), one thread, the
 * third column a Conv with batch and channels exchanged, which never wins:
 *
 *   channels, size    im2col   taps   exchanged
 *    1 -> 32, 28        0.82   2.49        1.03
 *    3 -> 32, 32        1.71   3.49        2.89
 *    8 -> 16, 28        2.65   2.21        4.03
 *   16 -> 32, 16        2.16   1.64        3.14
 *   32 -> 64, 14        4.78   3.58        6.18
 *   64 -> 64, 32       10.87   8.52       17.46
 *
 * Where the outputs are few, a product for each example is thin and leaves [n, M, C] to be summed: there the batch joins the sum inside the
 * product, for which x and dy are turned to [C, n, ...]; one product a tap, or one over all windows where they are few. CPU ms, batch 32:
 *
 *   channels, outputs      taps   taps, turned   windows, turned
 *    64 ->  64, 32x32        60             60                71
 *   128 -> 128, 16x16        69             49                56
 *   256 -> 256, 8x8          57             49                49
 *   512 -> 512, 4x4         128             63                47
 *   256 -> 512, 4x4 (/2)     55             37                28
 */
export function convWeightGradient(g: Emitter, x: Value, dy: Value, windows: Windows, group: number): Value {
  const [, channels] = shapeOf(x) as [number, number]
  const [, m, ...outputs] = requireStatic(shapeOf(dy), 'the gradient of Conv') as [number, number, ...number[]]
  const c = channels / group
  const taps = tapsOf(windows.kernel)
  const shape = [m, c, ...windows.kernel]
  if (c === 1 && m === group) {
    const axes = [0, ...outputs.map((_, i) => i + 2)]
    const shifted = shiftedInputs(g, x, outputs, windows, taps)
    const sums = shifted.map((s) => g.unsqueeze(g.sum(g.mul(s, dy), axes), [1]))
    return g.reshape(g.concat(sums, 1), shape)
  }
  const n = shapeOf(x)[0]!
  const space = sizeOf(outputs)
  // [n, group, m / group, space]
  const left = g.reshape(dy, [n, group, m / group, space])
  if (c * taps.length <= imToColumnsLimit) {
    const right = g.reshape(columns(g, x, outputs, windows), [n, group, c * taps.length, space])
    return g.reshape(g.sum(g.matMul(left, g.swapLast(right)), [0]), shape)
  }
  if (group === 1 && space < m * (taps.length > 1 ? fewOutputs : 0.25)) return turnedProducts(g, x, dy, windows, taps)
  const products = shiftedInputs(g, x, outputs, windows, taps).map((s) => {
    const right = g.swapLast(g.reshape(s, [n, group, c, space]))
    return g.reshape(g.sum(g.matMul(left, right), [0]), [m, c, 1])
  })
  return g.reshape(g.concat(products, 2), shape)
}

/** Outputs for each output channel, below which the batch joins the product. */
const fewOutputs = 8

/** Outputs up to which one product over all windows is faster than one a tap. */
const fewWindows = 64

/** The gradient of the kernel by products over batch and space together: dy [M, n * space], shifted inputs [C, n * space] for each tap. */
function turnedProducts(g: Emitter, x: Value, dy: Value, windows: Windows, taps: readonly number[][]): Value {
  const turn = (value: Value) => g.transpose(value, [1, 0, ...windows.kernel.map((_, i) => i + 2)])
  const [n, m, ...outputs] = requireStatic(shapeOf(dy), 'the gradient of Conv') as [number, number, ...number[]]
  const c = shapeOf(x)[1] as number
  const [space, shape] = [sizeOf(outputs), [m, c, ...windows.kernel]]
  const left = g.reshape(turn(dy), [m, n * space])
  const shifted = shiftedInputs(g, turn(x), outputs, windows, taps)
  if (space <= fewWindows) {
    const columns = g.concat(
      shifted.map((s) => g.reshape(s, [c, 1, n * space])),
      1,
    )
    const right = g.reshape(columns, [c * taps.length, n * space])
    return g.reshape(g.gemm(left, right, undefined, { transB: true }), shape)
  }
  const products = shifted.map((s) => {
    const product = g.gemm(left, g.reshape(s, [c, n * space]), undefined, { transB: true })
    return g.reshape(product, [1, m * c])
  })
  return g.reshape(g.swapLast(g.concat(products, 0)), shape)
}

/**
 * The values of every window, [n, C * taps, outputs]: a depthwise convolution whose kernels pick one tap each. One node, where slices would be as
 * many as there are taps, 20 us each.
 */
function columns(g: Emitter, x: Value, outputs: readonly number[], windows: Windows): Value {
  const { kernel, strides, dilations, before, after } = windows
  const channels = shapeOf(x)[1] as number
  const taps = sizeOf(kernel)
  const picks = Array.from({ length: channels * taps * taps }, (_, i) =>
    i % taps === Math.floor(i / taps) % taps ? 1 : 0,
  )
  const kernels = g.constant(tensorFromNumbers(dtypeOf(x), [channels * taps, 1, ...kernel], picks), 'picks')
  const attributes = { kernel_shape: kernel, strides, dilations, pads: [...before, ...after], group: channels }
  const all = g.op('Conv', [x, kernels], attributes)
  // Behind a transposed convolution with a long output padding there is room for more windows.
  const longer = outputs.flatMap((size, i) => (shapeOf(all)[i + 2] === size ? [] : [i]))
  if (longer.length === 0) return all
  return g.slice(
    all,
    longer.map(() => 0),
    longer.map((i) => outputs[i]!),
    longer.map((i) => i + 2),
  )
}

/** Values a window (channels x taps) up to which im2col wins: between 27 and 72 by the figures above. */
const imToColumnsLimit = 48

/** Every position inside a kernel, the last axis running fastest. */
function tapsOf(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (taps, size) => taps.flatMap((tap) => Array.from({ length: size }, (_, k) => [...tap, k])),
    [[]],
  )
}

/** For each tap the elements of x that the windows see there, [n, C, outputs]. */
function shiftedInputs(
  g: Emitter,
  x: Value,
  outputs: readonly number[],
  windows: Windows,
  taps: readonly number[][],
): Value[] {
  const { strides, dilations, before, after } = windows
  const padded = [...before, ...after].some((p) => p > 0)
    ? g.op('Pad', [x, g.integers([0, 0, ...before, 0, 0, ...after])])
    : x
  const sizes = shapeOf(padded).slice(2)
  return taps.map((tap) => {
    const starts = tap.map((k, i) => k * dilations[i]!)
    const ends = starts.map((start, i) => start + (outputs[i]! - 1) * strides[i]! + 1)
    const cut = tap.flatMap((_, i) => (starts[i] === 0 && ends[i] === sizes[i] && strides[i] === 1 ? [] : [i]))
    if (cut.length === 0) return padded
    const pick = (list: readonly number[]) => cut.map((i) => list[i]!)
    return g.slice(
      padded,
      pick(starts),
      pick(ends),
      cut.map((i) => i + 2),
      pick(strides),
    )
  })
}
