/** Operators that make tensors: constants, ranges, and what a shape says. None depends smoothly on its inputs. */
import { type DType, dtypeFromCode } from '../core/dtype.ts'
import { type Dim, unknownDim } from '../core/shape.ts'
import { float32 } from '../core/tensor.ts'
import { type Op, type SampleInput, typed } from './op.ts'
import { unary } from './samples.ts'
import { constantNumbers, unknownShape } from './shape-rules.ts'

const scalar = (value: number, dtype?: DType): SampleInput => ({
  shape: [],
  values: [value],
  constant: true,
  ...(dtype ? { dtype } : {}),
})

const shape: Op = {
  name: 'Shape',
  since: 19,
  inputs: [1, 1],
  attributes: { start: { kind: 'int', default: 0 }, end: { kind: 'int', optional: true } },
  infer: (c) => {
    const rank = c.input(0).shape.length
    const at = (v: number) => Math.max(0, Math.min(rank, v < 0 ? v + rank : v))
    const end = c.attributes.has('end') ? c.attributes.int('end') : rank
    return typed('int64', [Math.max(0, at(end) - at(c.attributes.int('start')))])
  },
  grad: { none: 'its result are sizes, which do not depend on the elements' },
  samples: [
    ...unary(),
    { inputs: [{ shape: [2, 3, 4] }], attributes: { start: 1 } },
    { inputs: [{ shape: [2, 3, 4] }], attributes: { start: -3, end: -1 } },
  ],
}

const size: Op = {
  name: 'Size',
  since: 19,
  inputs: [1, 1],
  infer: () => typed('int64', []),
  grad: { none: 'its result is a size, which does not depend on the elements' },
  samples: unary(),
}

const constant: Op = {
  name: 'Constant',
  since: 19,
  inputs: [0, 0],
  attributes: {
    value: { kind: 'tensor', optional: true },
    value_float: { kind: 'float', optional: true },
    value_floats: { kind: 'floats', optional: true },
    value_int: { kind: 'int', optional: true },
    value_ints: { kind: 'ints', optional: true },
    value_string: { kind: 'string', optional: true },
    value_strings: { kind: 'strings', optional: true },
  },
  infer: (c) => {
    for (const [name, dtype] of [
      ['value_float', 'float32'],
      ['value_floats', 'float32'],
      ['value_int', 'int64'],
      ['value_ints', 'int64'],
      ['value_string', 'string'],
      ['value_strings', 'string'],
    ] as const) {
      const found = c.attributes.raw(name)
      if (found) return typed(dtype, Array.isArray(found.value) ? [found.value.length] : [])
    }
    const value = c.attributes.raw('value')
    return value?.kind === 'tensor' ? typed(value.value.dtype, value.value.shape) : c.fail('one value must be given')
  },
  grad: { none: 'it has no inputs' },
  samples: [
    { inputs: [], attributes: { value: float32([2], [1, 2]) } },
    { inputs: [], attributes: { value_float: 0.5 } },
    { inputs: [], attributes: { value_floats: [0.5, 1] } },
    { inputs: [], attributes: { value_int: 3 } },
    { inputs: [], attributes: { value_ints: [3, 4, 5] } },
  ],
}

const constantOfShape: Op = {
  name: 'ConstantOfShape',
  since: 20,
  inputs: [1, 1],
  attributes: { value: { kind: 'tensor', optional: true } },
  infer: (c) => {
    const value = c.attributes.raw('value')
    const dtype = value?.kind === 'tensor' ? value.value.dtype : 'float32'
    const sizes = constantNumbers(c, 0)
    const count = c.input(0).shape[0]
    if (!sizes && typeof count !== 'number') return [{ dtype, shape: undefined }]
    return typed(dtype, sizes ?? unknownShape(count as number))
  },
  grad: { none: 'its inputs are sizes' },
  samples: [
    { inputs: [{ shape: [2], dtype: 'int64', values: [2, 3], constant: true }] },
    {
      inputs: [{ shape: [2], dtype: 'int64', values: [2, 0], constant: true }],
      attributes: { value: { dtype: 'int64', shape: [1], data: BigInt64Array.of(7n) } },
    },
    {
      inputs: [{ shape: [0], dtype: 'int64', values: [], constant: true }],
      attributes: { value: float32([1], [0.5]) },
    },
  ],
}

const range: Op = {
  name: 'Range',
  since: 11,
  inputs: [3, 3],
  infer: (c) => {
    const [start, limit, delta] = [0, 1, 2].map((i) => constantNumbers(c, i)?.[0])
    const known = start !== undefined && limit !== undefined && delta !== undefined
    const count: Dim = known ? Math.max(0, Math.ceil((limit - start) / delta)) : unknownDim
    return typed(c.input(0).dtype, [count])
  },
  grad: { none: 'the number of its elements jumps with its inputs' },
  samples: [
    { inputs: [scalar(0, 'int64'), scalar(5, 'int64'), scalar(2, 'int64')] },
    { inputs: [scalar(1), scalar(-1), scalar(-0.5)] },
    { title: 'empty', inputs: [scalar(3, 'int64'), scalar(1, 'int64'), scalar(1, 'int64')] },
  ],
}

/** Ones on a diagonal. The result depends on the shape of the input alone, so no gradient flows. */
const eyeLike: Op = {
  name: 'EyeLike',
  since: 9,
  inputs: [1, 1],
  attributes: { dtype: { kind: 'int', optional: true }, k: { kind: 'int', default: 0 } },
  infer: (c) => {
    if (c.input(0).shape.length !== 2) c.fail('the input must be a matrix')
    const dtype = c.attributes.has('dtype') ? dtypeFromCode(c.attributes.int('dtype')) : c.input(0).dtype
    return typed(dtype ?? c.fail('dtype must be the code of an element type'), c.input(0).shape)
  },
  grad: () => [],
  samples: [{ inputs: [{ shape: [3, 3] }] }, { inputs: [{ shape: [2, 3] }], attributes: { k: 1, dtype: 7 } }],
}

export const create: readonly Op[] = [shape, size, constant, constantOfShape, range, eyeLike]
