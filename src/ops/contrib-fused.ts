/** Products and convolutions with their activation, as the runtime's optimiser saves them. */
import { type Attributes, dtypeOf, type Value } from '../graph/graph.ts'
import { readAttributes } from './attributes.ts'
import { convolution } from './conv.ts'
import { linearAlgebra } from './linear-algebra.ts'
import { lowered } from './lower.ts'
import type { AttributeReader, LowerContext, Op, PlainAttributes } from './op.ts'

const domain = 'com.microsoft'

/** Activations that the runtime fuses, with the names of their parameters in order. */
const activations: Readonly<Record<string, readonly string[]>> = {
  Relu: [],
  Tanh: [],
  Sigmoid: [],
  LeakyRelu: ['alpha'],
  HardSigmoid: ['alpha', 'beta'],
  Clip: ['min', 'max'],
}

function activate(c: LowerContext, x: Value, name: string, parameters: readonly number[]): Value {
  const { g } = c
  if (name === '') return x
  const names = Object.hasOwn(activations, name)
    ? activations[name]!
    : c.fail(`the activation '${name}' is not covered`)
  if (name === 'Clip') return g.op('Clip', [x, ...parameters.map((value) => g.scalar(value, dtypeOf(x)))])
  const given = names.map((key, i) => [key, parameters[i]] as const).filter(([, value]) => value !== undefined)
  return g.op(name, [x], Object.fromEntries(given) as PlainAttributes)
}

/** The attributes that the standard operator has, as they are written in the node. */
function passedOn(standard: Op, attributes: AttributeReader): PlainAttributes {
  const names = Object.keys(standard.attributes ?? {})
  const written = names.flatMap((name) => {
    const attribute = attributes.raw(name)
    return attribute ? [[name, attribute.value] as const] : []
  })
  return Object.fromEntries(written) as PlainAttributes
}

const conv = convolution.find(({ name }) => name === 'Conv')!
const gemm = linearAlgebra.find(({ name }) => name === 'Gemm')!

/** activation(Conv(x, w, b) + z) */
const fusedConv = lowered(
  {
    name: 'FusedConv',
    domain,
    since: 1,
    inputs: [2, 4],
    attributes: {
      ...conv.attributes,
      activation: { kind: 'string', default: '' },
      activation_params: { kind: 'floats', optional: true },
    },
    infer: (c) => conv.infer({ ...c, attributes: readAttributes(conv, attributesFor(conv, c.attributes)) }),
    samples: [
      {
        inputs: [{ shape: [1, 2, 4, 4] }, { shape: [3, 2, 3, 3] }, { shape: [3] }],
        attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], activation: 'Tanh' },
      },
      {
        title: 'with a residual',
        inputs: [{ shape: [1, 2, 4, 4] }, { shape: [2, 2, 1, 1] }, { shape: [2] }, { shape: [1, 2, 4, 4] }],
        attributes: { kernel_shape: [1, 1], activation: 'Sigmoid' },
      },
    ],
  },
  (c) => {
    const { g, input, optional, attributes } = c
    const y = g.op('Conv', [input(0), input(1), optional(2)], passedOn(conv, attributes))
    const rest = optional(3)
    const parameters = attributes.raw('activation_params')
    const numbers = parameters?.kind === 'floats' ? parameters.value : []
    return [activate(c, rest ? g.add(y, rest) : y, attributes.string('activation'), numbers)]
  },
)

/** Those attributes of a node that the standard operator knows. */
export function attributesFor(standard: Op, attributes: AttributeReader): Attributes {
  const names = Object.keys(standard.attributes ?? {})
  return Object.fromEntries(names.flatMap((name) => (attributes.raw(name) ? [[name, attributes.raw(name)!]] : [])))
}

/** activation(alpha A' B' + beta C) */
const fusedGemm = lowered(
  {
    name: 'FusedGemm',
    costly: true,
    domain,
    since: 1,
    inputs: [2, 3],
    attributes: {
      ...gemm.attributes,
      activation: { kind: 'string', default: '' },
      activation_alpha: { kind: 'float', optional: true },
      activation_beta: { kind: 'float', optional: true },
      activation_gamma: { kind: 'float', optional: true },
    },
    infer: (c) => gemm.infer({ ...c, attributes: readAttributes(gemm, attributesFor(gemm, c.attributes)) }),
    samples: [
      { inputs: [{ shape: [2, 3] }, { shape: [3, 4] }, { shape: [4] }], attributes: { activation: 'Tanh' } },
      {
        inputs: [{ shape: [2, 3] }, { shape: [4, 3] }, { shape: [4] }],
        attributes: { activation: 'Sigmoid', transB: 1, alpha: 0.5 },
      },
    ],
  },
  (c) => {
    const { g, input, optional, attributes } = c
    const y = g.op('Gemm', [input(0), input(1), optional(2)], passedOn(gemm, attributes))
    const names = ['activation_alpha', 'activation_beta', 'activation_gamma'] as const
    const numbers = names.flatMap((name) => (attributes.has(name) ? [attributes.float(name)] : []))
    return [activate(c, y, attributes.string('activation'), numbers)]
  },
)

export const contribFused: readonly Op[] = [fusedConv, fusedGemm]
