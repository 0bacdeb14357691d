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

/** The gradient of the kernel by products over batch and space together: dy [M, n * space] with the inputs that taps see, [taps * C, n * space]. */
function turnedProducts(g: Emitter, x: Value, dy: Value, windows: Windows, taps: readonly number[][]): Value {
  const [n, m, ...outputs] = requireStatic(shapeOf(dy), 'the gradient of Conv') as [number, number, ...number[]]
  const c = shapeOf(x)[1] as number
  const space = sizeOf(outputs)
  const left = g.reshape(turn(g, dy), [m, n * space])
  const groups = isHalving(windows)
    ? phaseTaps(g, x, outputs, windows)
    : shiftedInputs(g, turn(g, x), outputs, windows, taps).map((seen, i) => ({ taps: [i], seen }))
  const rows = groups.map(({ taps: { length }, seen }) => g.reshape(seen, [length * c, n * space]))
  const product = (right: Value) => g.gemm(left, right, undefined, { transB: true })
  const joined = space <= fewWindows ? product(g.concat(rows, 0)) : g.concat(rows.map(product), 1)
  const found = groups.flatMap((group) => group.taps)
  const byTap = g.swapLast(g.reshape(joined, [m, taps.length, c]))
  const places = taps.map((_, tap) => found.indexOf(tap))
  const sorted = places.every((place, tap) => place === tap)
  const inOrder = sorted ? byTap : g.op('Gather', [byTap, g.integers(places)], { axis: 2 })
  return g.reshape(inOrder, [m, c, ...windows.kernel])
}

/** [n, C, ...] as [C, n, ...] */
function turn(g: Emitter, value: Value): Value {
  return g.transpose(value, [1, 0, ...shapeOf(value).flatMap((_, i) => (i > 1 ? [i] : []))])
}

/** Taps by their positions in the kernel, and the inputs that they see: [taps * C, n, outputs]. */
interface SeenByTaps {
  readonly taps: readonly number[]
  readonly seen: Value
}

/** Whether the windows are those of two spatial axes with stride 2 and more than one tap an axis. */
function isHalving({ kernel, strides, dilations }: Windows): boolean {
  return kernel.length === 2 && kernel.every((size, i) => size > 1 && strides[i] === 2 && dilations[i] === 1)
}

/**
 * What the taps of windows with stride 2 see. Taken apart by phases once, the input of a tap is a block without gaps, and neighbours share one
 * Slice: 4 in place of 16 with gaps for a 4x4 kernel. Batch 64, 64 -> 128 channels, 7x7 outputs, weight gradient, one thread, ms: 19.2, with gaps 29.3.
 */
function phaseTaps(g: Emitter, x: Value, outputs: readonly number[], { kernel, before }: Windows): SeenByTaps[] {
  const [n, c, ...sizes] = requireStatic(shapeOf(x), 'the gradient of Conv') as [number, number, number, number]
  const [height, width] = kernel as [number, number]
  const last = kernel.map((size) => Math.floor((size - 1) / 2))
  const counts = outputs.map((size, i) => size + last[i]!)
  // What no tap sees is cut off.
  const after = counts.map((count, i) => 2 * count - before[i]! - sizes[i]!)
  const pads = [0, 0, ...before, 0, 0, ...after]
  const padded = pads.some((p) => p !== 0) ? g.op('Pad', [x, g.integers(pads)]) : x
  const phases = g.reshape(turn(g, g.op('SpaceToDepth', [padded], { blocksize: 2 })), [4, c, n, ...counts])
  const groups: SeenByTaps[] = []
  for (let u = 0; u <= last[0]!; u++) {
    for (let v = 0; v <= last[1]!; v++) {
      // Where the kernel ends in the middle of a pair, the second phase of an axis has no tap.
      const [down, right] = [2 * u + 1 < height ? 2 : 1, 2 * v + 1 < width ? 2 : 1]
      const tap = (phase: number) => (2 * u + Math.floor(phase / 2)) * width + 2 * v + (phase % 2)
      const runs = right === 2 ? [[0, 2 * down] as const] : [0, 2].slice(0, down).map((at) => [at, at + 1] as const)
      for (const [begin, end] of runs) {
        const ends = [end, u + outputs[0]!, v + outputs[1]!]
        const taps = Array.from({ length: end - begin }, (_, i) => tap(begin + i))
        groups.push({ taps, seen: g.slice(phases, [begin, u, v], ends, [0, 3, 4]) })
      }
    }
  }
  return groups
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
