/** Operators that move elements to other places: transpose, tile, depth and space, triangles. */
import { type Dim, unknownDim } from '../core/shape.ts'
import { shapeOf, type TensorType } from '../graph/graph.ts'
import { type InferContext, type Op, type Sample, type SampleInput, typed } from './op.ts'
import { unary } from './samples.ts'
import { constantNumbers, productOf, range, unknownShape } from './shape-rules.ts'

const ints = (...values: number[]): SampleInput => ({ shape: [values.length], dtype: 'int64', values, constant: true })

/** Axes of a Transpose: reversed when none are given. */
function permutation(c: { attributes: InferContext['attributes'] }, rank: number): readonly number[] {
  return c.attributes.has('perm') ? c.attributes.ints('perm') : range(rank).reverse()
}

const transpose: Op = {
  name: 'Transpose',
  since: 13,
  inputs: [1, 1],
  attributes: { perm: { kind: 'ints', optional: true } },
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const perm = permutation(c, shape.length)
    if ([...perm].sort((a, b) => a - b).join() !== range(shape.length).join()) {
      c.fail(`perm must hold each axis from 0 to ${shape.length - 1} once, received [${perm.join(', ')}]`)
    }
    return typed(
      dtype,
      perm.map((axis) => shape[axis]!),
    )
  },
  grad: (c) => {
    const perm = permutation(c, shapeOf(c.x).length)
    return [
      c.g.transpose(
        c.dy,
        range(perm.length).map((axis) => perm.indexOf(axis)),
      ),
    ]
  },
  smooth: true,
  samples: [
    ...unary(),
    { inputs: [{ shape: [2, 3, 4] }], attributes: { perm: [1, 2, 0] } },
    { inputs: [{ shape: [2, 3, 1, 2] }], attributes: { perm: [0, 3, 1, 2] } },
  ],
}

const tile: Op = {
  name: 'Tile',
  since: 13,
  inputs: [2, 2],
  infer: (c) => {
    const { dtype, shape } = c.input(0)
    const repeats = constantNumbers(c, 1)
    if (!repeats) return typed(dtype, unknownShape(shape.length))
    if (repeats.length !== shape.length)
      c.fail(`repeats must have ${shape.length} elements, received ${repeats.length}`)
    return typed(
      dtype,
      shape.map((dim, i) => (repeats[i] === 1 ? dim : productOf([dim, repeats[i]!]))),
    )
  },
  // [r0 d0, r1 d1, ...] as [r0, d0, r1, d1, ...], summed over the repetitions
  grad: ({ g, x, y, dy }) => {
    const shape = shapeOf(x)
    const open = shapeOf(y).flatMap((size, i): Dim[] => {
      const dim = shape[i]!
      if (size === dim) return [1, dim]
      return [dim === 0 ? 1 : (size as number) / (dim as number), dim]
    })
    return [
      g.reshape(
        g.sum(
          g.reshape(dy, open),
          range(shape.length).map((i) => 2 * i),
        ),
        shape,
      ),
    ]
  },
  smooth: true,
  samples: [
    { inputs: [{ shape: [2, 3] }, ints(2, 1)] },
    { inputs: [{ shape: [2, 1, 2] }, ints(1, 3, 2)] },
    { inputs: [{ shape: [3] }, ints(4)] },
    { inputs: [{ shape: [2, 0] }, ints(2, 2)] },
    { title: 'no repetition', inputs: [{ shape: [2, 2] }, ints(1, 1)] },
  ],
}

/** `[n, c b b, h, w] -> [n, c, h b, w b]` */
function depthShape(c: InferContext, outward: boolean): readonly TensorType[] {
  const { dtype, shape } = c.input(0)
  const block = c.attributes.int('blocksize')
  if (shape.length !== 4) c.fail('the input must be [batch, channels, height, width]')
  const grow = (dim: Dim, factor: number): Dim => {
    if (typeof dim !== 'number') return unknownDim
    const size = dim * factor
    return Number.isInteger(size) ? size : c.fail(`a size of ${dim} is not divisible by ${1 / factor}`)
  }
  const [n, channels, height, width] = shape as [Dim, Dim, Dim, Dim]
  return outward
    ? typed(dtype, [n, grow(channels, 1 / (block * block)), grow(height, block), grow(width, block)])
    : typed(dtype, [n, grow(channels, block * block), grow(height, 1 / block), grow(width, 1 / block)])
}

const blocksize = { kind: 'int' } as const

const depthToSpace: Op = {
  name: 'DepthToSpace',
  since: 13,
  inputs: [1, 1],
  attributes: { blocksize, mode: { kind: 'string', default: 'DCR' } },
  infer: (c) => depthShape(c, true),
  grad: ({ g, x, dy, attributes }) => {
    const block = attributes.int('blocksize')
    if (attributes.string('mode') === 'DCR') return [g.op('SpaceToDepth', [dy], { blocksize: block })]
    // CRD: [n, c, h, b, w, b] back to [n, c, b, b, h, w]
    const [n, channels, height, width] = shapeOf(x) as [Dim, number, Dim, Dim]
    const open = g.reshape(dy, [n, channels / (block * block), height, block, width, block])
    return [g.reshape(g.transpose(open, [0, 1, 3, 5, 2, 4]), shapeOf(x))]
  },
  smooth: true,
  samples: [
    { inputs: [{ shape: [1, 8, 2, 3] }], attributes: { blocksize: 2 } },
    { inputs: [{ shape: [2, 4, 1, 2] }], attributes: { blocksize: 2, mode: 'CRD' } },
    { inputs: [{ shape: [1, 8, 2, 3] }], attributes: { blocksize: 2, mode: 'CRD' } },
  ],
}

const spaceToDepth: Op = {
  name: 'SpaceToDepth',
  since: 13,
  inputs: [1, 1],
  attributes: { blocksize },
  infer: (c) => depthShape(c, false),
  grad: ({ g, dy, attributes }) => [g.op('DepthToSpace', [dy], { blocksize: attributes.int('blocksize') })],
  smooth: true,
  samples: [
    { inputs: [{ shape: [1, 2, 4, 6] }], attributes: { blocksize: 2 } },
    { inputs: [{ shape: [2, 1, 3, 3] }], attributes: { blocksize: 3 } },
  ],
}

const scalarInt = (value: number): SampleInput => ({ shape: [], dtype: 'int64', values: [value], constant: true })

const triluSamples: readonly Sample[] = [
  { inputs: [{ shape: [3, 4] }] },
  { inputs: [{ shape: [2, 3, 3] }, scalarInt(1)], attributes: { upper: 0 } },
  { inputs: [{ shape: [4, 3] }, scalarInt(-1)] },
  { inputs: [{ shape: [2, 0] }] },
]

const trilu: Op = {
  name: 'Trilu',
  since: 14,
  inputs: [1, 2],
  attributes: { upper: { kind: 'int', default: 1 } },
  infer: (c) =>
    c.input(0).shape.length < 2 ? c.fail('the input must be a matrix or a batch of matrices') : [c.input(0)],
  grad: ({ g, dy, optional, attributes }) => [g.op('Trilu', [dy, optional(1)], { upper: attributes.int('upper') })],
  smooth: true,
  samples: triluSamples,
}

export const arrange: readonly Op[] = [transpose, tile, depthToSpace, spaceToDepth, trilu]
