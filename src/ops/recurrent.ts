/**
 * Recurrent layers as single operators. X is `[time, batch, features]`, W `[directions, gates * hidden, features]`,
 * R `[directions, gates * hidden, hidden]`, B `[directions, 2 * gates * hidden]` (the bias of W, then that of R), sequence_lens
 * `[batch]`, initial states `[directions, batch, hidden]`. Outputs: Y `[time, directions, batch, hidden]`, zero behind the end of
 * a sequence, and the last states `[directions, batch, hidden]`.
 */
import type { Dim } from '../core/shape.ts'
import type { TensorType } from '../graph/graph.ts'
import type { AttributeSpec, InferContext, Op, PlainAttributes, Sample, SampleInput } from './op.ts'
import { gruGradient, lstmGradient, rnnGradient } from './recurrent-gradient.ts'
import { agree } from './shape-rules.ts'

const attributes: Readonly<Record<string, AttributeSpec>> = {
  activation_alpha: { kind: 'floats', optional: true },
  activation_beta: { kind: 'floats', optional: true },
  activations: { kind: 'strings', optional: true },
  clip: { kind: 'float', optional: true },
  direction: { kind: 'string', default: 'forward' },
  hidden_size: { kind: 'int', optional: true },
  layout: { kind: 'int', default: 0 },
}

/** Y and as many last states as the cell has. With layout 1 the batch comes first everywhere. */
function infer(gates: number, states: number) {
  return (c: InferContext): readonly TensorType[] => {
    const [x, w, r] = [c.input(0), c.input(1), c.input(2)]
    for (const [i, { shape }] of [x, w, r].entries()) {
      if (shape.length !== 3) c.fail(`${'XWR'[i]} must have three axes`)
    }
    const batchFirst = c.attributes.int('layout') !== 0
    const [time, batch] = batchFirst ? [x.shape[1]!, x.shape[0]!] : [x.shape[0]!, x.shape[1]!]
    const direction = c.attributes.string('direction')
    if (!['forward', 'reverse', 'bidirectional'].includes(direction)) c.fail(`unknown direction '${direction}'`)
    const directions = direction === 'bidirectional' ? 2 : 1
    const hidden = c.attributes.has('hidden_size') ? c.attributes.int('hidden_size') : r.shape[2]!
    const rows: Dim = typeof hidden === 'number' ? gates * hidden : w.shape[1]!
    const expect = (index: number, what: string, shape: readonly Dim[]) => {
      const found = c.optional(index)?.shape
      if (!found) return
      if (found.length !== shape.length) c.fail(`${what} must have ${shape.length} axes`)
      shape.forEach((dim, axis) => {
        agree(found[axis]!, dim, `axis ${axis} of ${what} and the other inputs`, c.fail)
      })
    }
    expect(1, 'W', [directions, rows, x.shape[2]!])
    expect(2, 'R', [directions, rows, hidden])
    if (typeof rows === 'number') expect(3, 'B', [directions, 2 * rows])
    expect(4, 'sequence_lens', [batch])
    const state = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden]
    for (let i = 0; i < states; i++) expect(5 + i, 'an initial state', state)
    const y = batchFirst ? [batch, time, directions, hidden] : [time, directions, batch, hidden]
    const types = [y, ...Array.from({ length: states }, () => state)]
    return types.map((shape) => ({ dtype: x.dtype, shape }))
  }
}

interface Variant {
  readonly title: string
  readonly direction?: string
  readonly bias?: false
  readonly lengths?: true
  readonly initial?: true
  readonly time?: number
  readonly attributes?: PlainAttributes
  /** number of outputs; default all of them */
  readonly outputs?: number
  readonly differentiate?: readonly number[]
}

const bare: Variant = { title: 'no bias', bias: false }

/** Time 3, batch 2, features 3, hidden 2: small, since each sample runs several times. */
const variants: readonly Variant[] = [
  { title: 'forward', initial: true },
  { title: 'reverse', direction: 'reverse', initial: true },
  { title: 'bidirectional', direction: 'bidirectional', initial: true },
  { title: 'forward with lengths', lengths: true, initial: true },
  { title: 'reverse with lengths', direction: 'reverse', lengths: true, initial: true },
  { title: 'bidirectional with lengths', direction: 'bidirectional', lengths: true },
  { ...bare, outputs: 1 },
  { title: 'last states alone', differentiate: [1] },
  { title: 'one step', time: 1, direction: 'bidirectional' },
]

function samples(gates: number, states: number, more: readonly Variant[] = []): Sample[] {
  const [batch, features, hidden] = [2, 3, 2]
  return [...variants, ...more].map((variant) => {
    const { title, direction = 'forward', bias, lengths, initial, time = 3 } = variant
    const directions = direction === 'bidirectional' ? 2 : 1
    // The runtime computes LSTM and GRU in float32 alone.
    const small = (...shape: number[]): SampleInput => ({ shape, dtype: 'float32', from: -1, to: 1 })
    const state = small(directions, batch, hidden)
    return {
      title,
      inputs: [
        small(time, batch, features),
        small(directions, gates * hidden, features),
        small(directions, gates * hidden, hidden),
        bias === false ? undefined : small(directions, 2 * gates * hidden),
        lengths ? { shape: [batch], dtype: 'int32', values: [time, 1] } : undefined,
        ...Array.from({ length: states }, () => (initial ? state : undefined)),
      ],
      attributes: { hidden_size: hidden, direction, ...variant.attributes },
      outputs: variant.outputs ?? 1 + states,
      ...(variant.differentiate ? { differentiate: variant.differentiate } : {}),
    }
  })
}

/** H' = f(X W^T + H R^T + Wb + Rb), f = tanh by default. */
const rnn: Op = {
  name: 'RNN',
  costly: true,
  since: 7,
  inputs: [3, 6],
  attributes,
  infer: infer(1, 1),
  grad: rnnGradient,
  smooth: true,
  samples: [
    ...samples(1, 1),
    {
      title: 'relu',
      inputs: [
        { shape: [3, 1, 1], values: [1, 2, -1] },
        { shape: [1, 2, 1], values: [1, -1] },
        { shape: [1, 2, 2], values: [0.5, 0, 0, 0.5] },
      ],
      attributes: { hidden_size: 2, activations: ['Relu'] },
      // h = relu of [1, -1], [2.5, -2], [0.25, 1]: the second unit is off but for the last step.
      gradients: [
        [1.75, 1.5, 0],
        [3.75, -1],
      ],
    },
  ],
}

/**
 * Gates in the order i, o, f, c: i, o, f = sigmoid(X W^T + H R^T + Wb + Rb), c = tanh(the same);
 * C' = f C + i c, H' = o tanh(C') (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).
 */
const lstm: Op = {
  name: 'LSTM',
  costly: true,
  since: 7,
  inputs: [3, 8],
  attributes: { ...attributes, input_forget: { kind: 'int', default: 0 } },
  infer: infer(4, 2),
  grad: lstmGradient,
  smooth: true,
  samples: samples(4, 2, [{ title: 'last cell alone', lengths: true, differentiate: [2] }]),
}

const other: PlainAttributes = { linear_before_reset: 1 }

/**
 * Gates in the order z, r, h: z, r = sigmoid(X W^T + H R^T + Wb + Rb), H' = (1 - z) h + z H, with h either
 * tanh(X W^T + Wb + (r H) R^T + Rb) (Cho et al. 2014) or, with linear_before_reset, tanh(X W^T + Wb + r (H R^T + Rb)).
 */
const gru: Op = {
  name: 'GRU',
  costly: true,
  since: 7,
  inputs: [3, 6],
  attributes: { ...attributes, linear_before_reset: { kind: 'int', default: 0 } },
  infer: infer(3, 1),
  grad: gruGradient,
  smooth: true,
  samples: samples(
    3,
    1,
    variants.map((variant) => ({ ...variant, title: `${variant.title}, linear before reset`, attributes: other })),
  ),
}

export const recurrent: readonly Op[] = [rnn, lstm, gru]
