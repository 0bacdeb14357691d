/**
 * Fourier transforms and what speech front-ends put around them. Transforms are linear: their gradient is the adjoint, a transform the other way.
 * Source: ONNX operators DFT (opset 20), STFT, MelWeightMatrix and the windows.
 */
import { dtypeFromCode } from '../core/dtype.ts'
import { type Dim, normalizeAxis, requireStatic, unknownDim } from '../core/shape.ts'
import { int64, numbersOf } from '../core/tensor.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import { lowered } from './lower.ts'
import { type GradientContext, type InferContext, type Op, type Sample, type SampleInput, typed } from './op.ts'
import { constantNumbers, unknownShape, withDim } from './shape-rules.ts'

const whole = (value: number): SampleInput => ({ shape: [], dtype: 'int64', values: [value], constant: true })
const flag = (value: 0 | 1) => ({ kind: 'int', default: value }) as const

/** Bins of a transform of n points: a real signal's other half is the mirror image of the first. */
function binsOf(n: Dim, onesided: boolean): Dim {
  if (!onesided) return n
  return typeof n === 'number' ? Math.floor(n / 2) + 1 : unknownDim
}

/** `size` elements along an axis, cut off or filled up with zeros at the end. */
function fit(g: Emitter, x: Value, axis: number, size: number): Value {
  const shape = requireStatic(shapeOf(x), 'a Fourier transform')
  if (shape[axis] === size) return x
  if (shape[axis]! > size) return g.slice(x, [0], [size], [axis])
  const pads = [...shape.map(() => 0), ...shape.map((from, i) => (i === axis ? size - from : 0))]
  return g.op('Pad', [x, g.integers(pads)])
}

/** X_k = sum_n x_n e^(-2 pi i k n / N); inverse with + and over N. The last axis holds real and imaginary part. */
const dft: Op = {
  name: 'DFT',
  since: 20,
  inputs: [1, 3],
  attributes: { inverse: flag(0), onesided: flag(0) },
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const parts = shape.at(-1)
    if (shape.length < 2 || (typeof parts === 'number' && parts !== 1 && parts !== 2))
      c.fail('the input must be [..., size, ..., 1 or 2]: the last axis holds the real and the imaginary part')
    const given = c.optional(2) ? constantNumbers(c, 2)?.[0] : -2
    if (given === undefined) return typed(dtype, unknownShape(shape.length))
    const axis = normalizeAxis(given, shape.length)
    const length = c.optional(1) ? (constantNumbers(c, 1)?.[0] ?? unknownDim) : shape[axis]!
    const out = withDim(shape, axis, binsOf(length, c.attributes.int('onesided') === 1))
    return typed(dtype, withDim(out, shape.length - 1, 2))
  },
  grad: (c) => [dftGradient(c)],
  smooth: true,
  samples: [
    { title: 'real', inputs: [{ shape: [2, 5, 1] }] },
    { title: 'complex', inputs: [{ shape: [2, 4, 2] }] },
    { title: 'one side', inputs: [{ shape: [2, 6, 1] }], attributes: { onesided: 1 } },
    { title: 'one side, odd', inputs: [{ shape: [1, 5, 1] }], attributes: { onesided: 1 } },
    { title: 'inverse', inputs: [{ shape: [2, 5, 2] }], attributes: { inverse: 1 } },
    { title: 'filled up', inputs: [{ shape: [2, 5, 1] }, whole(8)], attributes: { onesided: 1 } },
    { title: 'cut off', inputs: [{ shape: [2, 5, 2] }, whole(3)] },
    { title: 'another axis', inputs: [{ shape: [3, 2, 2] }, undefined, whole(0)] },
  ],
}

/** The adjoint: bins that were left out get zeros, the sign of the exponent turns, the factor 1 / N changes sides. */
function dftGradient({ g, x, dy, optional, attributes }: GradientContext): Value {
  const shape = requireStatic(shapeOf(x), 'the gradient of DFT')
  const axis = normalizeAxis(optional(2)?.constant ? numbersOf(optional(2)!.constant!)[0]! : -2, shape.length)
  const length = optional(1)?.constant ? numbersOf(optional(1)!.constant!)[0]! : shape[axis]!
  const inverse = attributes.int('inverse')
  const all = fit(g, dy, axis, length)
  const sizes = g.constant(int64([], [length]), 'length')
  const back = g.op('DFT', [all, sizes, g.constant(int64([], [axis]), 'axis')], { inverse: 1 - inverse })
  const scaled = inverse === 1 ? g.div(back, length) : g.mul(back, length)
  const fitted = fit(g, scaled, axis, shape[axis]!)
  return shape.at(-1) === 1 ? g.slice(fitted, [0], [1], [-1]) : fitted
}

/** Transforms of overlapping frames: signal [batch, length, 1 or 2] -> [batch, frames, bins, 2] */
const stft: Op = lowered(
  {
    name: 'STFT',
    since: 17,
    inputs: [2, 4],
    attributes: { onesided: flag(1) },
    infer: (c) => {
      const { dtype, shape } = c.input(0)
      if (shape.length < 2) c.fail('the signal must be [batch, length, 1 or 2]')
      const [step, length] = [
        constantNumbers(c, 1)?.[0],
        c.optional(3) ? constantNumbers(c, 3)?.[0] : c.optional(2)?.shape[0],
      ]
      if (length === undefined && !c.optional(3))
        c.fail('the length of a frame must be given, by itself or by a window')
      const size = shape[1]!
      const known = step !== undefined && typeof length === 'number' && typeof size === 'number'
      const frames = known ? Math.floor((size - (length as number)) / step) + 1 : unknownDim
      return typed(dtype, [shape[0]!, frames, binsOf(length ?? unknownDim, c.attributes.int('onesided') === 1), 2])
    },
    smooth: true,
    samples: [
      { inputs: [{ shape: [2, 10, 1] }, whole(2), { shape: [4] }] },
      { title: 'length and window', inputs: [{ shape: [1, 9, 1] }, whole(3), { shape: [4] }, whole(4)] },
      { title: 'no window', inputs: [{ shape: [1, 9, 1] }, whole(2), undefined, whole(5)] },
      { title: 'both sides', inputs: [{ shape: [1, 8, 1] }, whole(2), { shape: [4] }], attributes: { onesided: 0 } },
    ],
  },
  (c) => {
    const { g, input, optional, attributes } = c
    const [, size, parts] = requireStatic(shapeOf(input(0)), 'the gradient of STFT')
    if (parts === 2) c.fail('onnxruntime 1.30 reads a complex signal as a real one of twice the length')
    const step = input(1).constant
    const window = optional(2)
    const length = optional(3)?.constant ? numbersOf(optional(3)!.constant!)[0] : window && shapeOf(window)[0]
    if (!step || typeof length !== 'number') c.fail('the step and the length of the frames must be constants')
    const stride = numbersOf(step!)[0]!
    const frame = length as number
    const frames = Math.floor((size! - frame) / stride) + 1
    const at = Array.from({ length: frames * frame }, (_, i) => Math.floor(i / frame) * stride + (i % frame))
    const read = g.op('Gather', [input(0), g.constant(int64([frames, frame], at), 'frames')], { axis: 1 })
    const open = shapeOf(read).length === 3 ? g.unsqueeze(read, [3]) : read
    const weighted = window ? g.mul(open, g.reshape(window, [frame, 1])) : open
    const axis = g.constant(int64([], [2]), 'axis')
    return [g.op('DFT', [weighted, undefined, axis], { onesided: attributes.int('onesided') })]
  },
)

const noGradient = {
  none: 'its inputs are sizes and frequencies, with which the number or the place of its elements jumps',
} as const

function outputType(c: InferContext) {
  const code = c.attributes.int('output_datatype')
  return dtypeFromCode(code) ?? c.fail(`output_datatype ${code} is no element type`)
}

function windowOp(name: string): Op {
  const size: Sample['inputs'] = [{ shape: [], dtype: 'int64', values: [6], constant: true }]
  return {
    name,
    since: 17,
    inputs: [1, 1],
    attributes: { output_datatype: { kind: 'int', default: 1 }, periodic: flag(1) },
    infer: (c) => typed(outputType(c), [constantNumbers(c, 0)?.[0] ?? unknownDim]),
    grad: noGradient,
    samples: [{ inputs: size }, { inputs: size, attributes: { periodic: 0, output_datatype: 11 } }],
  }
}

/** Triangles over the bins of a spectrum: [floor(dft_length / 2) + 1, bins] */
const melWeightMatrix: Op = {
  name: 'MelWeightMatrix',
  since: 17,
  inputs: [5, 5],
  attributes: { output_datatype: { kind: 'int', default: 1 } },
  infer: (c) => {
    const [bins, length] = [constantNumbers(c, 0)?.[0], constantNumbers(c, 1)?.[0]]
    return typed(outputType(c), [binsOf(length ?? unknownDim, true), bins ?? unknownDim])
  },
  grad: noGradient,
  samples: [
    {
      inputs: [
        whole(4),
        whole(16),
        whole(8000),
        { shape: [], dtype: 'float32', values: [0], constant: true },
        { shape: [], dtype: 'float32', values: [4000], constant: true },
      ],
    },
  ],
}

export const spectral: readonly Op[] = [
  dft,
  stft,
  windowOp('HannWindow'),
  windowOp('HammingWindow'),
  windowOp('BlackmanWindow'),
  melWeightMatrix,
]
