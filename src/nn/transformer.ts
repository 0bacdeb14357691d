/** Transformer blocks: attention and a feed-forward network, each with a normalisation and a way around it. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import { type Activation, activate, activationName } from './activations.ts'
import { multiHeadAttention } from './attention.ts'
import { dense } from './dense.ts'
import type { Initializer } from './initializers.ts'
import { type CommonOptions, type Layer, type LayerContext, layer } from './layer.ts'
import { keepMask } from './mask.ts'
import { layerNormalization } from './normalization.ts'
import { positiveInteger, rate } from './options.ts'
import { dropout as dropoutLayer } from './regularization.ts'

export interface TransformerOptions extends CommonOptions {
  readonly numHeads: number
  /** width of the feed-forward network; default 4 times the features */
  readonly intermediateDim?: number
  /** of the feed-forward network; 'swiglu' is silu(x W) * (x V) (Shazeer 2020); default 'gelu' */
  readonly activation?: Activation | 'swiglu'
  /** normalises what goes into attention and feed-forward (GPT-2), rather than what comes out (Vaswani et al. 2017); default true */
  readonly normalizeFirst?: boolean
  /** after attention and feed-forward, and on the attention weights; default 0 */
  readonly dropout?: number
  readonly numKeyValueHeads?: number
  readonly rotary?: boolean
  readonly useBias?: boolean
  /** added to the variance by the normalisation; default 1e-5 */
  readonly epsilon?: number
  readonly kernelInitializer?: Initializer
}

/** One encoder block: `[batch, positions, features]` -> the same shape; every position sees all others. */
export function transformerEncoder(options: TransformerOptions): Layer {
  return transformer('transformerEncoder', options)
}

/**
 * One decoder block: a position sees itself and those before it. With a second input, the encoder's output, it then attends to that.
 * With one input it is a block of a GPT.
 */
export function transformerDecoder(options: TransformerOptions): Layer {
  return transformer('transformerDecoder', options)
}

function transformer(kind: 'transformerEncoder' | 'transformerDecoder', options: TransformerOptions): Layer {
  const { activation = 'gelu', normalizeFirst = true, dropout = 0, epsilon = 1e-5 } = options
  const { useBias = true, kernelInitializer = 'glorotUniform', rotary = false } = options
  positiveInteger(kind, 'numHeads', options.numHeads)
  if (options.intermediateDim !== undefined) positiveInteger(kind, 'intermediateDim', options.intermediateDim)
  rate(kind, 'dropout', dropout)
  const name = activation === 'swiglu' ? activation : activationName(activation)
  const isDecoder = kind === 'transformerDecoder'

  const attention = (c: LayerContext, part: string, inputs: readonly Value[]): Value => {
    const { numHeads, numKeyValueHeads = numHeads } = options
    const causal = isDecoder && part === 'attention'
    const turned = rotary && part === 'attention'
    const inner = multiHeadAttention({
      ...{ numHeads, numKeyValueHeads, causal, dropout, rotary: turned, useBias, kernelInitializer },
    })
    return c.inner(part, inner, inputs)
  }

  const feedForward = (c: LayerContext, x: Value): Value => {
    const features = shapeOf(x)[2] as number
    const { intermediateDim = 4 * features } = options
    const project = (part: string, from: Value, units: number): Value =>
      c.inner(part, dense({ units, useBias, kernelInitializer }), [from])
    const up = project('up', x, intermediateDim)
    const hidden =
      activation === 'swiglu'
        ? c.g.mul(activate(c.g, project('gate', x, intermediateDim), 'silu'), up)
        : activate(c.g, up, activation)
    return project('down', hidden, features)
  }

  /** x + f(norm(x)), or norm(x + f(x)) */
  const around = (c: LayerContext, part: string, x: Value, f: (x: Value) => Value): Value =>
    keepMask(c.g, [x], summed(c, part, x, f))
  const summed = (c: LayerContext, part: string, x: Value, f: (x: Value) => Value): Value => {
    const normalize = (value: Value): Value => c.inner(`${part}Normalization`, layerNormalization({ epsilon }), [value])
    const dropped = (value: Value): Value => c.inner(`${part}Dropout`, dropoutLayer({ rate: dropout }), [value])
    if (normalizeFirst) return c.g.add(x, dropped(f(normalize(x))))
    return normalize(c.g.add(x, dropped(f(x))))
  }

  return layer({
    kind,
    config: {
      ...options,
      ...{ activation: name, normalizeFirst, dropout, epsilon, useBias, kernelInitializer, rotary },
    },
    arity: isDecoder ? 'many' : 'one',
    keepsMask: 'first',
    apply: (c, inputs) => {
      const [x, memory] = inputs
      const shape = x && shapeOf(x)
      if (!x || inputs.length > 2 || shape?.length !== 3 || typeof shape[2] !== 'number') {
        const found = inputs.map((input) => formatShape(shapeOf(input))).join(', ') || 'none'
        throw new QuernError('input', `${kind} needs [batch, positions, features], received ${found}`)
      }
      const seen = around(c, 'attention', x, (value) => attention(c, 'attention', [value]))
      const joined = memory
        ? around(c, 'crossAttention', seen, (value) => attention(c, 'crossAttention', [value, memory]))
        : seen
      return around(c, 'feedForward', joined, (value) => feedForward(c, value))
    },
  })
}
