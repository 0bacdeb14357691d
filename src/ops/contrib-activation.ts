/** Activations of the runtime's own domain, as its optimiser and transformer exporters write them. */

import { lowered } from './lower.ts'
import { type InferContext, type Op, typed } from './op.ts'
import { agree, sameAsInput } from './shape-rules.ts'

const domain = 'com.microsoft'

/** x [..., n] and an optional bias [n]. */
function withBias(c: InferContext) {
  const [x, bias] = [c.input(0), c.optional(1)]
  if (bias?.shape.length !== undefined && bias.shape.length !== 1) c.fail('the bias must have one axis')
  if (bias) agree(x.shape.at(-1) ?? 1, bias.shape[0]!, 'the last axis and the bias', c.fail)
  return typed(x.dtype, x.shape)
}

/** x P(x), P the normal distribution (Hendrycks and Gimpel 2016). */
const gelu = lowered(
  {
    name: 'Gelu',
    domain,
    since: 1,
    inputs: [1, 1],
    infer: sameAsInput,
    smooth: true,
    samples: [{ inputs: [{ shape: [2, 3] }] }, { inputs: [{ shape: [4] }] }],
  },
  ({ g, input }) => [g.op('Gelu', [input(0)])],
)

const biasGelu = lowered(
  {
    name: 'BiasGelu',
    domain,
    since: 1,
    inputs: [2, 2],
    infer: withBias,
    smooth: true,
    samples: [{ inputs: [{ shape: [2, 3] }, { shape: [3] }] }, { inputs: [{ shape: [2, 1, 4] }, { shape: [4] }] }],
  },
  ({ g, input }) => [g.op('Gelu', [g.add(input(0), input(1))])],
)

/** The approximation by tanh. */
const fastGelu = lowered(
  {
    name: 'FastGelu',
    domain,
    since: 1,
    inputs: [1, 2],
    infer: withBias,
    smooth: true,
    samples: [{ inputs: [{ shape: [2, 3] }] }, { inputs: [{ shape: [2, 2, 4] }, { shape: [4] }] }],
  },
  ({ g, input, optional }) => {
    const bias = optional(1)
    const x = bias ? g.add(input(0), bias) : input(0)
    return [g.op('Gelu', [x], { approximate: 'tanh' })]
  },
)

/** x sigmoid(alpha x). In float64 the runtime fuses even the standard form into this operator, of which it has a float32 kernel alone. */
const quickGelu = lowered(
  {
    name: 'QuickGelu',
    domain,
    since: 1,
    inputs: [1, 1],
    attributes: { alpha: { kind: 'float', default: 1.702 } },
    infer: sameAsInput,
    smooth: true,
    samples: [
      { inputs: [{ shape: [2, 3], dtype: 'float32' }] },
      { inputs: [{ shape: [5], dtype: 'float32' }], attributes: { alpha: 1 } },
    ],
  },
  ({ g, input, attributes }) => {
    const x = input(0)
    return [g.mul(x, g.sigmoid(g.mul(x, attributes.float('alpha'))))]
  },
)

export const contribActivation: readonly Op[] = [gelu, biasGelu, fastGelu, quickGelu]
