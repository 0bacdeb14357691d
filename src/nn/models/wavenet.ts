/** WaveNet (van den Oord et al. 2016): dilated causal convolutions over long sequences, gated, with residual and skip connections. */
import { dtypes } from '../../core/dtype.ts'
import { QuernError } from '../../core/errors.ts'
import { formatShape } from '../../core/shape.ts'
import { dtypeOf, shapeOf, type Value } from '../../graph/graph.ts'
import { type Activation, activate, activationName } from '../activations.ts'
import { conv1d } from '../convolution.ts'
import { dense } from '../dense.ts'
import { embedding } from '../embedding.ts'
import { type CommonOptions, type Layer, type LayerContext, layer } from '../layer.ts'
import { positiveInteger } from '../options.ts'

export interface WaveNetBlockOptions extends CommonOptions {
  /** channels that come out; for a residual connection those of the input */
  readonly filters: number
  /** default 2 */
  readonly kernelSize?: number
  readonly dilationRate?: number
  /** channels of the skip output, which then stands behind the residual output's; default 0 */
  readonly skipFilters?: number
}

/**
 * z = tanh(W x) * sigmoid(V x), convolved causally with a dilation; x + A z, and B z for the skip connection (section 2.3):
 * `[batch, filters, length]` -> `[batch, filters + skipFilters, length]`. With a second input `[batch, features]` the gates depend on that too
 * (section 2.5). Errors: `input` when the input has other channels than `filters`.
 */
export function waveNetBlock(options: WaveNetBlockOptions): Layer {
  const kind = 'waveNetBlock'
  const { kernelSize = 2, dilationRate = 1, skipFilters = 0 } = options
  const filters = positiveInteger(kind, 'filters', options.filters)
  positiveInteger(kind, 'kernelSize', kernelSize)
  positiveInteger(kind, 'dilationRate', dilationRate)
  if (skipFilters !== 0) positiveInteger(kind, 'skipFilters', skipFilters)
  const own = { filters, kernelSize, dilationRate, skipFilters }
  return layer({
    kind,
    config: { ...options, ...own },
    arity: 'many',
    apply: (c, [x, condition]) => {
      const { through, skip } = gated(c, own, checkSequence(kind, x, filters), condition)
      return skip ? c.g.concat([through!, skip], 1) : through!
    },
  })
}

export interface WaveNetOptions extends CommonOptions {
  /** values that a sample has: of the input, when that is integers, and of the output */
  readonly classes: number
  /** channels of the residual connections; default 32 */
  readonly filters?: number
  /** channels of the skip connections; default 64 */
  readonly skipFilters?: number
  /** blocks of a stack: the i-th has the dilation 2^i; default 10 */
  readonly blocks?: number
  /** default 1 */
  readonly stacks?: number
  /** default 2 */
  readonly kernelSize?: number
  /** of the output; default softmax */
  readonly activation?: Activation
}

/**
 * Integers below `classes`, `[batch, length]`, or numbers, `[batch, channels, length]` -> `[batch, length, classes]`: what stands at the next place,
 * from (kernelSize - 1) (stacks (2^blocks - 1) + 1) + 1 places up to this one. A second input `[batch, features]` steers every block, such as by
 * a speaker. Parameters: `front/...`, `block_<i>/...`, `hidden/...`, `output/...`. Errors: `input` for other ranks.
 * @example waveNet({ classes: 256, filters: 32, skipFilters: 128, blocks: 8, stacks: 2 })
 */
export function waveNet(options: WaveNetOptions): Layer {
  const kind = 'waveNet'
  const { filters = 32, skipFilters = 64, blocks = 10, stacks = 1, kernelSize = 2 } = options
  const { activation = 'softmax' } = options
  const sizes = { classes: options.classes, filters, skipFilters, blocks, stacks, kernelSize }
  for (const [option, value] of Object.entries(sizes)) positiveInteger(kind, option, value)
  const { classes } = sizes
  const depth = blocks * stacks
  const pointwise = (units: number): Layer => conv1d({ filters: units, kernelSize: 1 })
  return layer({
    kind,
    config: { ...options, ...sizes, activation: activationName(activation) },
    arity: 'many',
    apply: (c, inputs) => {
      const { g } = c
      const [samples, condition] = inputs
      if (inputs.length > 2) throw new QuernError('input', `${kind} takes one or two inputs, received ${inputs.length}`)
      let x = front(c, kind, sizes, samples!)
      const skips: Value[] = []
      for (let i = 0; i < depth; i++) {
        const own = { filters, kernelSize, skipFilters, dilationRate: 2 ** (i % blocks) }
        // The last block feeds nothing but its skip connection.
        const isLast = i === depth - 1
        const block = layer({
          kind: 'waveNetBlock',
          config: own,
          arity: 'many',
          apply: (inner, [value, steer]) => {
            const { through, skip } = gated(inner, own, value!, steer, isLast)
            skips.push(skip!)
            return through ?? skip!
          },
        })
        x = c.inner(`block_${i}`, block, condition ? [x, condition] : [x])
      }
      const sum = g.relu(skips.reduce((a, b) => g.add(a, b)))
      const hidden = g.relu(c.inner('hidden', pointwise(skipFilters), [sum]))
      const scores = c.inner('output', pointwise(classes), [hidden])
      return activate(g, g.transpose(scores, [0, 2, 1]), activation)
    },
  })
}

/** The first causal convolution: `[batch, filters, length]`. */
function front(
  c: LayerContext,
  kind: string,
  { classes, filters, kernelSize }: { classes: number; filters: number; kernelSize: number },
  samples: Value,
): Value {
  const isInteger = dtypes[dtypeOf(samples)].kind !== 'float'
  const rank = isInteger ? 2 : 3
  const shape = shapeOf(samples)
  if (shape.length !== rank) {
    const wanted = isInteger ? 'integers [batch, length]' : 'numbers [batch, channels, length]'
    throw new QuernError('input', `${kind} needs ${wanted}, received ${formatShape(shape)}`)
  }
  const table = embedding({ inputDim: classes, outputDim: filters })
  const x = isInteger ? c.g.transpose(c.inner('embedding', table, [samples]), [0, 2, 1]) : samples
  return c.inner('front', conv1d({ filters, kernelSize, padding: 'causal' }), [x])
}

function checkSequence(kind: string, x: Value | undefined, filters: number): Value {
  const shape = x ? shapeOf(x) : []
  if (x && shape.length === 3 && shape[1] === filters) return x
  throw new QuernError('input', `${kind} needs [batch, ${filters} (filters), length], received ${formatShape(shape)}`)
}

/** Both gates by one convolution, both outputs by another: half as many passes over the sequence. */
function gated(
  c: LayerContext,
  own: { filters: number; kernelSize: number; dilationRate: number; skipFilters: number },
  x: Value,
  condition?: Value,
  skipOnly = false,
): { through?: Value; skip?: Value } {
  const { g } = c
  const { filters, kernelSize, dilationRate, skipFilters } = own
  const gate = conv1d({ filters: 2 * filters, kernelSize, dilationRate, padding: 'causal' })
  const heard = c.inner('gate', gate, [x])
  const steered = condition
    ? g.add(heard, g.unsqueeze(c.inner('condition', dense({ units: 2 * filters, useBias: false }), [condition]), [2]))
    : heard
  const split = (value: Value, sizes: readonly number[]): Value[] =>
    g.ops('Split', [value, g.integers(sizes)], { axis: 1 }, sizes.length)
  const [signal, open] = split(steered, [filters, filters]) as [Value, Value]
  const z = g.mul(g.tanh(signal), g.sigmoid(open))
  const outputs = (skipOnly ? 0 : filters) + skipFilters
  const projected = c.inner('output', conv1d({ filters: outputs, kernelSize: 1 }), [z])
  if (skipOnly) return { skip: projected }
  if (skipFilters === 0) return { through: g.add(x, projected) }
  const [more, skip] = split(projected, [filters, skipFilters]) as [Value, Value]
  return { through: g.add(x, more), skip }
}
