/**
 * The gradient of a convolution with respect to its input, and that of a transposed convolution, in standard operators; timed in ONNX Runtime
 * 1.30 on the CPU.
 */
import { requireStatic, type Shape, sizeOf } from '../core/shape.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import { extent, type Windows } from './window.ts'

/**
 * dx[n, c, i] = sum over m, o, k with o * stride + k * dilation - before = i of w[m, c, k] dy[n, m, o]
 *
 * With stride 1 that is a convolution of dy with the flipped and transposed kernel, padded by extent - 1 - before: 20.9 ms where
 * ConvTranspose took 30.0 (64 -> 64 channels, 3x3 on 32x32, batch 32). With stride s the inputs of each residue of i modulo s ("phase") get
 * such a convolution of their own, with every s-th tap. ConvTranspose does the rest.
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
  const phases = kernel.map((_, i) => phasesOf(windows, i, sizes[i]!, outputs[i]!))
  if (phases.every((list) => list !== undefined) && (strides.every((s) => s === 1) || hasFewOutputs(kernel, outputs))) {
    const turned = turnKernel(g, w, group)
    const parts = combinations(phases).map((phase) => convolvePhase(g, dy, turned, phase, windows, group))
    return interleave(g, parts, strides, input)
  }
  // Elements behind the last window that a stride leaves over get no gradient: output_padding adds them.
  const reach = kernel.map((_, i) => extent(windows, i))
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

/**
 * Where phases beat ConvTranspose, which makes a thin product for each example; with more outputs putting the phases together costs more than
 * they save. CPU ms, 3x3, stride 2, batch 32: 256 <- 512 channels, 4x4 outputs, 64 by ConvTranspose, 24 by phases; 128 <- 256, 8x8, 31 and 25;
 * 64 <- 128, 16x16, 29 and 33; 1x1 kernels always lose.
 */
function hasFewOutputs(kernel: readonly number[], outputs: readonly number[]): boolean {
  return sizeOf(kernel) > 1 && sizeOf(outputs) <= 64
}

/** The inputs of one residue modulo the stride, along one axis. */
interface Phase {
  /** taps that reach them, in the order of the outputs */
  readonly taps: readonly number[]
  readonly begin: number
  readonly end: number
  /** how many inputs there are */
  readonly count: number
}

/**
 * Input i = stride * q + a is read by tap t = r + stride * u of output q + base - u, where a + before = stride * base + r. Undefined when a
 * convolution cannot say it: the phases differ in length, the taps are apart, or the padding would be negative.
 */
function phasesOf(windows: Windows, axis: number, size: number, outputs: number): Phase[] | undefined {
  const [kernel, stride, dilation, before] = (['kernel', 'strides', 'dilations', 'before'] as const).map(
    (name) => windows[name][axis]!,
  ) as [number, number, number, number]
  if (size % stride !== 0 || size === 0 || (stride > 1 && dilation > 1) || stride > largestStride) return undefined
  const count = size / stride
  const phases = Array.from({ length: stride }, (_, a): Phase => {
    const [r, base] = [(a + before) % stride, Math.floor((a + before) / stride)]
    const taps = Array.from({ length: Math.ceil((kernel - r) / stride) }, (_, u) => r + stride * u).reverse()
    const begin = (taps.length - 1) * dilation - base
    return { taps, begin, end: count - outputs + base, count }
  })
  const fits = phases.every(({ taps, begin, end }) => taps.length === 0 || (begin >= 0 && end >= 0))
  return fits ? phases : undefined
}

/** Beyond this most phases of a kernel are empty. */
const largestStride = 3

function combinations(axes: readonly (readonly Phase[])[]): Phase[][] {
  return axes.reduce<Phase[][]>((all, phases) => all.flatMap((one) => phases.map((phase) => [...one, phase])), [[]])
}

/** Kernel [m, c / group, k] as [c, taps, m / group]: where the runtime turns a matrix, and copies whole rows afterwards. */
function turnKernel(g: Emitter, w: Value, group: number): Value {
  const [m, c, ...kernel] = requireStatic(shapeOf(w), 'the gradient of Conv') as [number, number, ...number[]]
  const taps = sizeOf(kernel)
  const flat = group === 1 ? g.reshape(w, [m, c * taps]) : g.reshape(w, [group, m / group, c * taps])
  return g.reshape(g.swapLast(flat), [group * c, taps, m / group])
}

/** The inputs of one phase, [n, C, counts]. */
function convolvePhase(
  g: Emitter,
  dy: Value,
  turned: Value,
  phase: readonly Phase[],
  { kernel, strides, dilations }: Windows,
  group: number,
): Value {
  const [channels, all, m] = shapeOf(turned) as [number, number, number]
  const shape = phase.map(({ taps }) => taps.length)
  const taps = sizeOf(shape)
  if (taps === 0) return g.full([shapeOf(dy)[0]!, channels, ...phase.map(({ count }) => count)], 0, dtypeOf(dy))
  // Positions in the kernel, the last axis running fastest.
  const places = phase.reduce<number[]>(
    (found, axis, i) => found.flatMap((at) => axis.taps.map((tap) => at * kernel[i]! + tap)),
    [0],
  )
  const picked = all === 1 ? turned : g.op('Gather', [turned, g.integers(places)], { axis: 1 })
  const weights = g.reshape(taps === 1 ? picked : g.swapLast(picked), [channels, m, ...shape])
  const pads = [...phase.map(({ begin }) => begin), ...phase.map(({ end }) => end)]
  const apart = dilations.map((d, i) => (strides[i] === 1 ? d : 1))
  return g.op('Conv', [dy, weights], { kernel_shape: shape, dilations: apart, pads, group })
}

/** Phases of all axes, the last axis running fastest, as one tensor of the shape of the input. */
function interleave(g: Emitter, phases: readonly Value[], strides: readonly number[], input: Shape): Value {
  if (phases.length === 1) return phases[0]!
  const [n, c, ...sizes] = requireStatic(input, 'the gradient of Conv') as [number, number, ...number[]]
  const rank = sizes.length
  if (rank === 2 && strides[0] === strides[1]) {
    // Twice as fast as the transposition below.
    return g.op('DepthToSpace', [g.concat(phases, 1)], { blocksize: strides[0]!, mode: 'DCR' })
  }
  const counts = sizes.map((size, i) => size / strides[i]!)
  const apart = g.reshape(g.concat(phases, 1), [n, ...strides, c, ...counts])
  const axes = sizes.flatMap((_, i) => [2 + rank + i, 1 + i])
  return g.reshape(g.transpose(apart, [0, 1 + rank, ...axes]), [n, c, ...sizes])
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
