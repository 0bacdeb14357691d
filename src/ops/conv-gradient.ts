/**
 * Gradients of convolution in standard operators. The recipes were timed in ONNX Runtime 1.30 on the CPU; `convWeightGradient` is
 * the one place where they are chosen.
 */
import { requireStatic, type Shape, sizeOf } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import { extent, type Windows } from './window.ts'

/** db[m] = sum over batch and space of dy[n, m, ...] */
export function biasGradient(g: Emitter, dy: Value): Value {
  return g.sum(
    dy,
    shapeOf(dy).flatMap((_, axis) => (axis === 1 ? [] : [axis])),
  )
}

/**
 * dx[n, c, i] = sum over m, o, k with o * stride + k * dilation - before = i of w[m, c, k] dy[n, m, o]
 *
 * With stride 1 that is a convolution of dy with the flipped and transposed kernel, padded by extent - 1 - before: 20.9 ms where
 * ConvTranspose took 30.0 (64 -> 64 channels, 3x3 on 32x32, batch 32).
 */
export function convInputGradient(
  g: Emitter,
  dy: Value,
  w: Value,
  input: Shape,
  windows: Windows,
  group: number,
): Value {
  const { kernel, strides, dilations, before, after } = windows
  const sizes = requireStatic(input.slice(2), 'the gradient of Conv')
  const outputs = requireStatic(shapeOf(dy).slice(2), 'the gradient of Conv')
  const reach = kernel.map((_, i) => extent(windows, i))
  if (strides.every((s) => s === 1) && reach.every((e, i) => before[i]! < e && after[i]! < e)) {
    const pads = [...before, ...after].map((p, i) => reach[i % reach.length]! - 1 - p)
    return g.op('Conv', [dy, swapKernel(g, w, group)], { kernel_shape: kernel, dilations, pads, group })
  }
  // Elements behind the last window that a stride leaves over get no gradient: output_padding adds them.
  const rest = sizes.map((size, i) => size - (strides[i]! * (outputs[i]! - 1) + reach[i]! - before[i]! - after[i]!))
  const attributes = {
    kernel_shape: kernel,
    strides,
    dilations,
    pads: [...before, ...after],
    group,
    output_padding: rest,
  }
  return g.op('ConvTranspose', [dy, w], attributes)
}

/** Kernel [m, c / group, k] with its two channel axes exchanged inside each group, [c, m / group, k], and k reversed. */
function swapKernel(g: Emitter, w: Value, group: number): Value {
  const [m, c, ...kernel] = requireStatic(shapeOf(w), 'the gradient of Conv') as [number, number, ...number[]]
  const axes = kernel.map((_, i) => i)
  const flipped = axes.filter((i) => kernel[i]! > 1)
  const far = Number.MIN_SAFE_INTEGER
  const reversed =
    flipped.length === 0
      ? w
      : g.slice(
          w,
          flipped.map(() => -1),
          flipped.map(() => far),
          flipped.map((i) => i + 2),
          flipped.map(() => -1),
        )
  if (group === 1) return g.transpose(reversed, [1, 0, ...axes.map((i) => i + 2)])
  const grouped = g.reshape(reversed, [group, m / group, c, ...kernel])
  const swapped = g.transpose(grouped, [0, 2, 1, ...axes.map((i) => i + 3)])
  return g.reshape(swapped, [group * c, m / group, ...kernel])
}

/** The gradient of ConvTranspose with respect to its input: the convolution that it transposes, cut to the input's size. */
export function transposeInputGradient(
  g: Emitter,
  dy: Value,
  w: Value,
  input: Shape,
  windows: Windows,
  group: number,
): Value {
  const { kernel, strides, dilations, before, after } = windows
  const sizes = requireStatic(input.slice(2), 'the gradient of ConvTranspose')
  const attributes = { kernel_shape: kernel, strides, dilations, pads: [...before, ...after], group }
  const dx = g.op('Conv', [dy, w], attributes)
  // An output padding as long as the stride makes room for more windows than there were inputs.
  const longer = sizes.flatMap((size, i) => (shapeOf(dx)[i + 2] === size ? [] : [i]))
  if (longer.length === 0) return dx
  return g.slice(
    dx,
    longer.map(() => 0),
    longer.map((i) => sizes[i]!),
    longer.map((i) => i + 2),
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
  const products = shiftedInputs(g, x, outputs, windows, taps).map((s) => {
    const right = g.swapLast(g.reshape(s, [n, group, c, space]))
    return g.reshape(g.sum(g.matMul(left, right), [0]), [m, c, 1])
  })
  return g.reshape(g.concat(products, 2), shape)
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
