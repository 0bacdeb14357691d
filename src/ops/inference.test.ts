/** Types and shapes that records infer, above all with dimensions that are names, and what they refuse. */
import { describe, expect, it } from 'vitest'
import { formatShape, type Shape } from '../core/shape.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import { Emitter } from './emitter.ts'
import { table } from './index.ts'
import type { PlainAttributes } from './op.ts'

type Input = Shape | { readonly constant: readonly number[] } | { readonly indices: Shape }

function emit(name: string, inputs: readonly Input[], attributes: PlainAttributes = {}, outputs = 1): Value[] {
  const g = new Emitter(table, new GraphBuilder('test'))
  const values = inputs.map((input, i) => {
    if ('constant' in input) return g.integers(input.constant)
    const [dtype, shape] = 'indices' in input ? (['int64', input.indices] as const) : (['float32', input] as const)
    return g.builder.input(`x${i}`, { dtype, shape })
  })
  return g.ops(name, values, attributes, outputs)
}

function shapeFrom(name: string, inputs: readonly Input[], attributes: PlainAttributes = {}): string {
  return formatShape(shapeOf(emit(name, inputs, attributes)[0]!))
}

const all = Number.MAX_SAFE_INTEGER

describe('a name for a dimension survives', () => {
  it.each<[string, Input[], PlainAttributes, string]>([
    ['Add', [['batch', 3], [3]], {}, '[batch, 3]'],
    [
      'Add',
      [
        ['batch', 1],
        ['batch', 4],
      ],
      {},
      '[batch, 4]',
    ],
    ['Reshape', [['batch', 3, 28, 28], { constant: [-1, 2352] }], {}, '[batch, 2352]'],
    ['Reshape', [['batch', 6], { constant: [0, 2, -1] }], {}, '[batch, 2, 3]'],
    ['Reshape', [['batch', 6], { constant: [-1, 3] }], {}, '[?, 3]'],
    ['Flatten', [['batch', 3, 4]], {}, '[batch, 12]'],
    ['Flatten', [['batch', 'time', 4]], {}, '[batch, ?]'],
    ['Transpose', [['batch', 3, 4]], { perm: [1, 0, 2] }, '[3, batch, 4]'],
    ['Squeeze', [['batch', 1], { constant: [-1] }], {}, '[batch]'],
    ['Unsqueeze', [['batch'], { constant: [1] }], {}, '[batch, 1]'],
    ['Expand', [['batch', 1], { constant: [1, 4] }], {}, '[batch, 4]'],
    [
      'Concat',
      [
        ['batch', 2],
        ['batch', 3],
      ],
      { axis: 1 },
      '[batch, 5]',
    ],
    [
      'Concat',
      [
        ['a', 2],
        ['b', 2],
      ],
      { axis: 0 },
      '[?, 2]',
    ],
    [
      'Slice',
      [['batch', 9], { constant: [1] }, { constant: [all] }, { constant: [1] }, { constant: [2] }],
      {},
      '[batch, 4]',
    ],
    ['Slice', [['batch', 9], { constant: [0] }, { constant: [all] }, { constant: [0] }], {}, '[batch, 9]'],
    ['Slice', [['batch', 9], { constant: [1] }, { constant: [all] }, { constant: [0] }], {}, '[?, 9]'],
    ['Pad', [['batch', 2], { constant: [0, 1, 0, 1] }], {}, '[batch, 4]'],
    ['Gather', [[10, 4], { indices: ['batch', 'time'] }], {}, '[batch, time, 4]'],
    [
      'MatMul',
      [
        ['batch', 'time', 3],
        [3, 5],
      ],
      {},
      '[batch, time, 5]',
    ],
    ['MatMul', [['batch', 3], [3]], {}, '[batch]'],
    [
      'Gemm',
      [
        ['batch', 3],
        [4, 3],
      ],
      { transB: 1 },
      '[batch, 4]',
    ],
    [
      'Einsum',
      [
        ['batch', 3],
        [3, 4],
      ],
      { equation: 'bi,ij->bj' },
      '[batch, 4]',
    ],
    ['ReduceSum', [['batch', 3], { constant: [1] }], { keepdims: 0 }, '[batch]'],
    ['ArgMax', [['batch', 3]], { axis: -1, keepdims: 0 }, '[batch]'],
    ['Tile', [['batch', 3], { constant: [1, 2] }], {}, '[batch, 6]'],
    ['Shape', [['batch', 3]], {}, '[2]'],
    ['NonZero', [['batch', 3]], {}, '[2, ?]'],
  ])('%s', (name, inputs, attributes, expected) => {
    expect(shapeFrom(name, inputs, attributes)).toBe(expected)
  })
})

describe('what does not fit is refused, with the operator and the shapes', () => {
  it.each<[string, Input[], PlainAttributes, RegExp]>([
    [
      'Add',
      [[2, 3], [4]],
      {},
      /Add at 'Add': shapes \[2, 3\] and \[4\] do not broadcast.*float32\[2, 3\], float32\[4\]/,
    ],
    ['Add', [[2], { indices: [2] }], {}, /same element type, received float32 and int64/],
    ['Reshape', [[2, 3], { constant: [4, -1] }], {}, /6 elements cannot be arranged in rows of 4/],
    [
      'MatMul',
      [
        [2, 3],
        [4, 5],
      ],
      {},
      /inner dimensions must agree, received 3 and 4/,
    ],
    [
      'Concat',
      [
        [2, 3],
        [2, 4],
      ],
      { axis: 0 },
      /sizes of axis 1 must agree/,
    ],
    ['Squeeze', [[2, 3], { constant: [0] }], {}, /axis 0 has size 2/],
    ['Transpose', [[2, 3]], { perm: [0, 0] }, /perm must hold each axis/],
    ['ReduceSum', [[2, 3], { constant: [2] }], {}, /from -2 to 1 for rank 2, received 2/],
    ['ReduceSum', [[2, 3], { constant: [0, -2] }], {}, /an axis is named twice/],
    ['Slice', [[4], { constant: [0] }, { constant: [2] }, { constant: [0] }, { constant: [0] }], {}, /step of 0/],
    ['Pad', [[2], { constant: [1, 1] }], { mode: 'mirror' }, /mode must be constant, edge, reflect or wrap/],
    ['Einsum', [[2, 3], [4]], { equation: 'ij,j' }, /'j' is 3 and 4/],
    ['Relu', [[2], [2]], {}, /expected 1 inputs, received 2/],
    [
      'Gemm',
      [
        [2, 3],
        [3, 4],
      ],
      { transposeA: 1 },
      /no attribute 'transposeA'/,
    ],
  ])('%s', (name, inputs, attributes, message) => {
    expect(() => emit(name, inputs, attributes)).toThrow(message)
  })
})

it('splits into equal parts with a smaller last one', () => {
  const parts = emit('Split', [['batch', 7]], { axis: 1, num_outputs: 3 }, 3)
  expect(parts.map((part) => formatShape(shapeOf(part)))).toEqual(['[batch, 3]', '[batch, 3]', '[batch, 1]'])
})
