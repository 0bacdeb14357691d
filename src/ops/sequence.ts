/** Sequences of tensors and optional values: what they hold is known as far as all their elements agree. Source: ONNX operators, opset 24. */
import { dtypeFromCode } from '../core/dtype.ts'
import { type Dim, normalizeAxis, unknownDim } from '../core/shape.ts'
import type { ContainerType, TensorType, Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import { type InferContext, type Op, type Sample, type SampleInput, typed } from './op.ts'
import { constantNumbers, joinTypes, withDim } from './shape-rules.ts'
import { subGraph } from './sub-graph.ts'

const none = {
  none: 'it works on sequences or optional values, through which no gradient is passed: use Concat, Split and Gather on tensors',
} as const

const whole = (value: number): SampleInput => ({ shape: [], dtype: 'int64', values: [value], constant: true })

/** Type of the tensors of a sequence or of an optional tensor. */
function elementOf(c: InferContext, index: number): TensorType | undefined {
  const container = c.container(index)
  if (container?.kind !== 'sequence' && container?.kind !== 'optional') return undefined
  const { element } = container
  return element && !('kind' in element) ? element : undefined
}

const sequenceOf = (element: TensorType | undefined): ContainerType[] => [{ kind: 'sequence', element }]

/** The tensors of the sample as a sequence, in front of its other inputs. */
const asSequence =
  (count: number): NonNullable<Sample['before']> =>
  (g, inputs) => [g.op('SequenceConstruct', inputs.slice(0, count)), ...inputs.slice(count)]

const first = (g: Emitter, [sequence]: readonly Value[]): readonly Value[] => [
  g.op('SequenceAt', [sequence, g.scalar(0, 'int64')]),
]
const joined = (g: Emitter, [sequence]: readonly Value[]): readonly Value[] => [
  g.op('ConcatFromSequence', [sequence], { axis: 0 }),
]

const sequenceConstruct: Op = {
  name: 'SequenceConstruct',
  since: 11,
  inputs: [1, Number.MAX_SAFE_INTEGER],
  lenient: true,
  infer: () => [undefined],
  containers: (c) => {
    const types = Array.from({ length: c.inputCount }, (_, i) => c.type(i))
    return sequenceOf(types.reduce((a, b) => joinTypes(a, b, 'an element', c.fail)))
  },
  grad: none,
  samples: [
    { inputs: [{ shape: [2, 3] }, { shape: [2, 3] }], read: first },
    { inputs: [{ shape: [2, 3] }, { shape: [1, 3] }], read: joined },
  ],
}

const sequenceEmpty: Op = {
  name: 'SequenceEmpty',
  since: 11,
  inputs: [0, 0],
  attributes: { dtype: { kind: 'int', default: 1 } },
  infer: () => [undefined],
  containers: (c) => {
    const dtype = dtypeFromCode(c.attributes.int('dtype'))
    return sequenceOf(dtype && { dtype, shape: undefined })
  },
  grad: none,
  samples: [{ inputs: [], read: (g, outputs) => [g.op('SequenceLength', outputs)] }],
}

const sequenceAt: Op = {
  name: 'SequenceAt',
  since: 11,
  inputs: [2, 2],
  lenient: true,
  infer: (c) => [elementOf(c, 0)],
  grad: none,
  samples: [{ inputs: [{ shape: [2, 3] }, { shape: [2, 3] }, whole(-1)], before: asSequence(2) }],
}

const sequenceInsert: Op = {
  name: 'SequenceInsert',
  since: 11,
  inputs: [2, 3],
  lenient: true,
  infer: () => [undefined],
  containers: (c) => {
    const before = elementOf(c, 0)
    // An empty sequence says its element type alone.
    return sequenceOf(before ? joinTypes(before, c.type(1), 'an element', c.fail) : c.type(1))
  },
  grad: none,
  samples: [{ inputs: [{ shape: [2] }, { shape: [3] }, whole(0)], before: asSequence(1), read: joined }],
}

const sequenceErase: Op = {
  name: 'SequenceErase',
  since: 11,
  inputs: [1, 2],
  lenient: true,
  infer: () => [undefined],
  containers: (c) => [c.container(0)],
  grad: none,
  samples: [{ inputs: [{ shape: [2] }, { shape: [2] }, whole(0)], before: asSequence(2), read: first }],
}

const sequenceLength: Op = {
  name: 'SequenceLength',
  since: 11,
  inputs: [1, 1],
  lenient: true,
  infer: () => typed('int64', []),
  grad: none,
  samples: [{ inputs: [{ shape: [2] }, { shape: [3] }], before: asSequence(2) }],
}

/** Parts of a tensor along an axis: of the given sizes, of one size but for the last, or single slices. */
const splitToSequence: Op = {
  name: 'SplitToSequence',
  since: 11,
  inputs: [1, 2],
  attributes: { axis: { kind: 'int', default: 0 }, keepdims: { kind: 'int', default: 1 } },
  infer: () => [undefined],
  containers: (c) => {
    const type = c.type(0)
    if (!type?.shape) return sequenceOf(type)
    const axis = normalizeAxis(c.attributes.int('axis'), type.shape.length)
    if (!c.optional(1)) {
      const keep = c.attributes.int('keepdims') === 1
      return sequenceOf({
        ...type,
        shape: keep ? withDim(type.shape, axis, 1) : type.shape.filter((_, i) => i !== axis),
      })
    }
    const sizes = constantNumbers(c, 1)
    const total = type.shape[axis]!
    const equal =
      sizes &&
      (c.optional(1)!.shape.length > 0
        ? sizes.every((size) => size === sizes[0])
        : typeof total === 'number' && total % sizes[0]! === 0)
    const size: Dim = equal ? sizes[0]! : unknownDim
    return sequenceOf({ ...type, shape: withDim(type.shape, axis, size) })
  },
  grad: none,
  samples: [
    { inputs: [{ shape: [4, 3] }, whole(2)], read: first },
    { inputs: [{ shape: [5, 3] }, whole(2)], read: first },
    { inputs: [{ shape: [2, 3] }], attributes: { axis: 1, keepdims: 0 }, read: first },
  ],
}

const concatFromSequence: Op = {
  name: 'ConcatFromSequence',
  since: 11,
  inputs: [1, 1],
  attributes: { axis: { kind: 'int' }, new_axis: { kind: 'int', default: 0 } },
  lenient: true,
  infer: (c) => {
    const element = elementOf(c, 0)
    if (!element?.shape) return [element]
    const isNew = c.attributes.int('new_axis') === 1
    const axis = normalizeAxis(c.attributes.int('axis'), element.shape.length + (isNew ? 1 : 0))
    const { shape } = element
    const out = isNew ? [...shape.slice(0, axis), unknownDim, ...shape.slice(axis)] : withDim(shape, axis, unknownDim)
    return [{ ...element, shape: out }]
  },
  grad: none,
  samples: [
    { inputs: [{ shape: [2, 3] }, { shape: [1, 3] }], before: asSequence(2), attributes: { axis: 0 } },
    { inputs: [{ shape: [2, 3] }, { shape: [2, 3] }], before: asSequence(2), attributes: { axis: -1, new_axis: 1 } },
  ],
}

/** A graph applied to each element of a sequence. */
const sequenceMap: Op = {
  name: 'SequenceMap',
  since: 17,
  inputs: [1, Number.MAX_SAFE_INTEGER],
  attributes: { body: { kind: 'graph' } },
  lenient: true,
  infer: (c) => new Array<undefined>(c.outputCount).fill(undefined),
  containers: (c) => {
    const given = Array.from({ length: c.inputCount }, (_, i) => elementOf(c, i) ?? c.type(i))
    return c.subGraph('body', given).flatMap(sequenceOf)
  },
  grad: none,
  samples: [
    {
      inputs: [
        { shape: [2, 3], dtype: 'float32' },
        { shape: [2, 3], dtype: 'float32' },
      ],
      before: asSequence(2),
      graphs: (g) => ({
        body: subGraph(g, 'body', [{ dtype: 'float32', shape: [2, 3] }], (inner, [x]) => [inner.neg(x!)]),
      }),
      read: first,
    },
  ],
}

const optional: Op = {
  name: 'Optional',
  since: 15,
  inputs: [0, 1],
  attributes: { type: { kind: 'opaque', optional: true } },
  lenient: true,
  infer: () => [undefined],
  containers: (c) => [{ kind: 'optional', element: c.type(0) ?? c.container(0) }],
  grad: none,
  samples: [{ inputs: [{ shape: [2, 3] }], read: (g, outputs) => [g.op('OptionalGetElement', outputs)] }],
}

const optionalHasElement: Op = {
  name: 'OptionalHasElement',
  since: 18,
  inputs: [0, 1],
  lenient: true,
  infer: () => typed('bool', []),
  grad: none,
  samples: [
    { inputs: [{ shape: [2] }], before: (g, inputs) => [g.op('Optional', inputs)] },
    { inputs: [{ shape: [2] }] },
  ],
}

const optionalGetElement: Op = {
  name: 'OptionalGetElement',
  since: 18,
  inputs: [1, 1],
  lenient: true,
  infer: (c) => [c.type(0) ?? (c.container(0)?.kind === 'optional' ? elementOf(c, 0) : undefined)],
  containers: (c) => {
    const container = c.container(0)
    if (container?.kind !== 'optional') return [container]
    return [container.element && 'kind' in container.element ? container.element : undefined]
  },
  grad: none,
  samples: [
    { inputs: [{ shape: [2, 3] }], before: (g, inputs) => [g.op('Optional', inputs)] },
    {
      inputs: [{ shape: [2] }],
      before: (g, inputs) => [g.op('Optional', [g.op('SequenceConstruct', inputs)])],
      read: first,
    },
  ],
}

export const sequences: readonly Op[] = [
  sequenceConstruct,
  sequenceEmpty,
  sequenceAt,
  sequenceInsert,
  sequenceErase,
  sequenceLength,
  splitToSequence,
  concatFromSequence,
  sequenceMap,
  optional,
  optionalHasElement,
  optionalGetElement,
]
