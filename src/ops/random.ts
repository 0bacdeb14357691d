/** Operators that draw random numbers. Training draws its own, from a counter (core/random.ts); these are for models that others exported. */
import { type DType, dtypeFromCode } from '../core/dtype.ts'
import { type InferContext, type Op, type Sample, typed } from './op.ts'

const drawn = {
  none: 'its result is drawn at random: write the draw as an input (reparameterisation) to have a gradient with respect to its parameters',
} as const

const seed = { kind: 'float', optional: true } as const
const optionalType = { kind: 'int', optional: true } as const

/** The type that an attribute asks for, or that of the input. */
function askedType(c: InferContext, otherwise: DType): DType {
  if (!c.attributes.has('dtype')) return otherwise
  const code = c.attributes.int('dtype')
  return dtypeFromCode(code) ?? c.fail(`dtype ${code} is no element type`)
}

const normal = { mean: { kind: 'float', default: 0 }, scale: { kind: 'float', default: 1 } } as const
const uniform = { low: { kind: 'float', default: 0 }, high: { kind: 'float', default: 1 } } as const

function draw(name: string, parameters: typeof normal | typeof uniform): Op {
  return {
    name,
    since: 1,
    inputs: [0, 0],
    attributes: { ...parameters, dtype: { kind: 'int', default: 1 }, seed, shape: { kind: 'ints' } },
    infer: (c) => typed(dtypeFromCode(c.attributes.int('dtype')) ?? 'float32', c.attributes.ints('shape')),
    grad: drawn,
    samples: [
      { inputs: [], attributes: { shape: [2, 3] } },
      { inputs: [], attributes: { shape: [4], dtype: 11, seed: 1 } },
    ],
  }
}

function drawLike(name: string, parameters: typeof normal | typeof uniform): Op {
  return {
    name,
    since: 1,
    inputs: [1, 1],
    attributes: { ...parameters, dtype: optionalType, seed },
    infer: (c) => typed(askedType(c, c.input(0).dtype), c.input(0).shape),
    grad: drawn,
    samples: [{ inputs: [{ shape: [2, 3] }] }, { inputs: [{ shape: [2] }], attributes: { dtype: 11 } }],
  }
}

const chances: Sample['inputs'] = [{ shape: [2, 3], from: 0, to: 1 }]

/** 1 with the probability that the input says */
const bernoulli: Op = {
  name: 'Bernoulli',
  since: 15,
  inputs: [1, 1],
  attributes: { dtype: optionalType, seed },
  infer: (c) => typed(askedType(c, c.input(0).dtype), c.input(0).shape),
  grad: drawn,
  samples: [{ inputs: chances }, { inputs: chances, attributes: { dtype: 9 } }],
}

/** Classes drawn from unnormalised log probabilities [batch, classes] */
const multinomial: Op = {
  name: 'Multinomial',
  since: 7,
  inputs: [1, 1],
  attributes: { dtype: { kind: 'int', default: 6 }, sample_size: { kind: 'int', default: 1 }, seed },
  infer: (c) => {
    if (c.input(0).shape.length !== 2) c.fail('the input must be [batch, classes]')
    return typed(askedType(c, 'int32'), [c.input(0).shape[0]!, c.attributes.int('sample_size')])
  },
  grad: drawn,
  samples: [{ inputs: [{ shape: [2, 3], dtype: 'float32' }], attributes: { sample_size: 4 } }],
}

export const random: readonly Op[] = [
  draw('RandomNormal', normal),
  draw('RandomUniform', uniform),
  drawLike('RandomNormalLike', normal),
  drawLike('RandomUniformLike', uniform),
  bernoulli,
  multinomial,
]
