/**
 * Sampling an image or a volume at given places. Source: ONNX operators GridSample (opset 20) and AffineGrid; Jaderberg et al. 2015, "Spatial
 * Transformer Networks".
 */
import { type Dim, requireStatic, sizeOf } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import { lowered } from './lower.ts'
import { type AttributeReader, type Op, type Sample, typed } from './op.ts'
import { constantNumbers, unknownShape } from './shape-rules.ts'

/** One place to read along an axis: position of the element, and its weight (undefined: 1). */
interface Tap {
  readonly at: Value
  readonly weight: Value | undefined
}

/** -1 and 1 are the centres of the first and the last element (align_corners), or their outer edges. */
function denormalize(g: Emitter, at: Value, size: number, corners: boolean): Value {
  return corners ? g.mul(g.add(at, 1), (size - 1) / 2) : g.sub(g.mul(g.add(at, 1), size / 2), 0.5)
}

/** Positions beyond the edges mirrored back, again and again: a wave of period twice the range. */
function reflect(g: Emitter, at: Value, size: number, corners: boolean): Value {
  const [low, range] = corners ? [0, size - 1] : [-0.5, size]
  if (range === 0) return g.mul(at, 0)
  const distance = g.abs(g.sub(at, low))
  const rest = g.sub(distance, g.mul(g.op('Floor', [g.div(distance, 2 * range)]), 2 * range))
  return g.add(g.min(rest, g.sub(2 * range, rest)), low)
}

function clip(g: Emitter, at: Value, size: number): Value {
  return g.op('Clip', [at, g.scalar(0, dtypeOf(at)), g.scalar(size - 1, dtypeOf(at))])
}

/** Weights of the elements at distances 1 + t, t, 1 - t, 2 - t by cubic convolution (Keys 1981) with a = -0.75, as the runtime has it. */
function cubicWeights(g: Emitter, t: Value): Value[] {
  const a = -0.75
  const near = (d: Value) => g.add(g.mul(g.mul(d, d), g.sub(g.mul(d, a + 2), a + 3)), 1)
  const far = (d: Value) => g.sub(g.mul(g.add(g.mul(g.sub(g.mul(d, a), 5 * a), d), 8 * a), d), 4 * a)
  return [far(g.add(t, 1)), near(t), near(g.sub(1, t)), far(g.sub(2, t))]
}

/** The elements that are read along one axis of `size`, for normalised coordinates. */
function tapsOf(g: Emitter, coordinate: Value, size: number, attributes: AttributeReader): Tap[] {
  const [mode, padding] = [attributes.string('mode'), attributes.string('padding_mode')]
  const corners = attributes.int('align_corners') === 1
  const raw = denormalize(g, coordinate, size, corners)
  if (mode === 'cubic') {
    const low = g.op('Floor', [raw])
    return cubicWeights(g, g.sub(raw, low)).map((weight, i) => ({ at: g.add(low, i - 1), weight }))
  }
  const at = padding === 'border' ? clip(g, raw, size) : padding === 'reflection' ? reflect(g, raw, size, corners) : raw
  if (mode === 'nearest') return [{ at: g.op('Round', [at]), weight: undefined }]
  const low = g.op('Floor', [at])
  const t = g.sub(at, low)
  return [
    { at: low, weight: g.sub(1, t) },
    { at: g.add(low, 1), weight: t },
  ]
}

/** A tap within the input; beyond it, zeros have no weight and the others read a nearer element. */
function within(g: Emitter, { at, weight }: Tap, size: number, attributes: AttributeReader): Tap {
  const corners = attributes.int('align_corners') === 1
  const padding = attributes.string('padding_mode')
  if (padding !== 'zeros') {
    const mirrored = padding === 'reflection' ? g.op('Round', [reflect(g, at, size, corners)]) : at
    return { at: clip(g, mirrored, size), weight }
  }
  const held = clip(g, at, size)
  const inside = g.cast(g.equal(held, at), dtypeOf(at))
  return { at: held, weight: weight ? g.mul(weight, inside) : inside }
}

/** y[n, c, o] = sum over taps of weight x[n, c, taps], by Gather over the flattened input [batch, places, channels]. */
function sampleGrid(g: Emitter, x: Value, grid: Value, attributes: AttributeReader): Value {
  const [batch, channels, ...sizes] = requireStatic(shapeOf(x), 'the gradient of GridSample') as [number, number]
  const spatial = sizes as readonly number[]
  const out = requireStatic(shapeOf(grid), 'the gradient of GridSample').slice(1, -1)
  const places = sizeOf(out)
  const rank = spatial.length
  const flat = g.transpose(g.reshape(x, [batch, channels, sizeOf(spatial)]), [0, 2, 1])
  const axes = spatial.map((size, i) => {
    // The last axis comes first in the grid.
    const coordinate = g.reshape(g.slice(grid, [rank - 1 - i], [rank - i], [-1]), [batch, places])
    return tapsOf(g, coordinate, size, attributes).map((tap) => within(g, tap, size, attributes))
  })
  const combinations = axes.reduce<Tap[][]>((all, taps) => all.flatMap((one) => taps.map((tap) => [...one, tap])), [[]])
  const parts = combinations.map((taps) => {
    const index = taps.reduce<Value | undefined>(
      (sum, tap, i) => (sum ? g.add(g.mul(sum, spatial[i]!), tap.at) : tap.at),
      undefined,
    )!
    const read = g.op('GatherND', [flat, g.unsqueeze(g.cast(index, 'int64'), [2])], { batch_dims: 1 })
    const weights = taps.flatMap(({ weight }) => (weight ? [weight] : []))
    if (weights.length === 0) return read
    return g.mul(
      read,
      g.unsqueeze(
        weights.reduce((a, b) => g.mul(a, b)),
        [2],
      ),
    )
  })
  const sum = parts.reduce((a, b) => g.add(a, b))
  return g.reshape(g.transpose(sum, [0, 2, 1]), [batch, channels, ...out])
}

function samples(): Sample[] {
  const places = { away: { from: [0], by: 0.01 }, from: -1.2, to: 1.2 }
  const two = (grid = places): Sample['inputs'] => [{ shape: [2, 2, 3, 4] }, { shape: [2, 2, 3, 2], ...grid }]
  const all: Sample[] = []
  for (const mode of ['linear', 'nearest', 'cubic']) {
    for (const padding_mode of ['zeros', 'border', 'reflection']) {
      for (const align_corners of [0, 1]) all.push({ inputs: two(), attributes: { mode, padding_mode, align_corners } })
    }
  }
  const volume: Sample['inputs'] = [{ shape: [1, 2, 2, 3, 4] }, { shape: [1, 2, 2, 2, 3], ...places }]
  for (const mode of ['linear', 'nearest']) {
    for (const padding_mode of ['zeros', 'border', 'reflection'])
      all.push({ title: '3-D', inputs: volume, attributes: { mode, padding_mode } })
  }
  return [
    ...all,
    { title: 'far outside', inputs: two({ ...places, from: -4, to: 4 }), attributes: { padding_mode: 'reflection' } },
  ]
}

const gridSample: Op = lowered(
  {
    name: 'GridSample',
    since: 20,
    inputs: [2, 2],
    attributes: {
      align_corners: { kind: 'int', default: 0 },
      mode: { kind: 'string', default: 'linear' },
      padding_mode: { kind: 'string', default: 'zeros' },
    },
    infer: (c) => {
      const [x, grid] = [c.input(0), c.input(1)]
      const rank = x.shape.length - 2
      if (rank < 1 || grid.shape.length !== x.shape.length)
        c.fail('the input must be [batch, channels, size, ...], the grid [batch, size, ..., number of axes]')
      const last = grid.shape.at(-1)
      if (typeof last === 'number' && last !== rank)
        c.fail(`the grid must have ${rank} coordinates a place, received ${last}`)
      return typed(x.dtype, [x.shape[0]!, x.shape[1]!, ...grid.shape.slice(1, -1)])
    },
    samples: samples(),
  },
  ({ g, input, attributes }) => [sampleGrid(g, input(0), input(1), attributes)],
)

/** Coordinates of `size` places from edge to edge, of the centres of the first and the last element (corners) or of their outer edges; a single corner stands at 1 in the runtime. */
function coordinates(size: number, corners: boolean): number[] {
  return Array.from({ length: size }, (_, i) => {
    if (corners) return size === 1 ? 1 : -1 + (2 * i) / (size - 1)
    return -1 + (2 * i + 1) / size
  })
}

/** Every place of a grid of these sizes as a row (x, y, (z,) 1): [places, axes + 1]. */
function placeRows(sizes: readonly number[], corners: boolean): number[] {
  const lines = sizes.map((size) => coordinates(size, corners))
  let rows: number[][] = [[]]
  for (const line of lines) rows = rows.flatMap((row) => line.map((v) => [v, ...row]))
  return rows.flatMap((row) => [...row, 1])
}

/** y[n, place] = theta[n] (x, y, (z,) 1) */
const affineGrid: Op = {
  name: 'AffineGrid',
  since: 20,
  inputs: [2, 2],
  attributes: { align_corners: { kind: 'int', default: 0 } },
  infer: (c) => {
    const theta = c.input(0)
    const rank = theta.shape[1]
    if (theta.shape.length !== 3) c.fail('theta must be [batch, axes, axes + 1]')
    const size = constantNumbers(c, 1)
    const count = c.input(1).shape[0]
    const axes = typeof rank === 'number' ? rank : typeof count === 'number' ? count - 2 : undefined
    if (axes === undefined) return [{ dtype: theta.dtype, shape: undefined }]
    const spatial: readonly Dim[] = size ? size.slice(2) : unknownShape(axes)
    return typed(theta.dtype, [theta.shape[0]!, ...spatial, axes])
  },
  grad: ({ g, x, dy, attributes }) => {
    const [batch, ...rest] = requireStatic(shapeOf(dy), 'the gradient of AffineGrid')
    const sizes = rest.slice(0, -1)
    const rows = placeRows(sizes, attributes.int('align_corners') === 1)
    const places = sizeOf(sizes)
    const matrix = g.constant(tensorFromNumbers(dtypeOf(x), [places, sizes.length + 1], rows), 'places')
    const flat = g.reshape(dy, [batch!, places, sizes.length])
    return [g.matMul(g.swapLast(flat), matrix)]
  },
  smooth: true,
  samples: [0, 1].flatMap((align_corners): Sample[] => [
    {
      inputs: [{ shape: [2, 2, 3] }, { shape: [4], dtype: 'int64', values: [2, 1, 3, 4], constant: true }],
      attributes: { align_corners },
    },
    {
      title: 'axes of one place',
      inputs: [{ shape: [1, 2, 3] }, { shape: [4], dtype: 'int64', values: [1, 2, 3, 1], constant: true }],
      attributes: { align_corners },
    },
    {
      title: '3-D',
      inputs: [{ shape: [1, 3, 4] }, { shape: [5], dtype: 'int64', values: [1, 1, 2, 3, 2], constant: true }],
      attributes: { align_corners },
    },
  ]),
}

export const gridSampling: readonly Op[] = [gridSample, affineGrid]
