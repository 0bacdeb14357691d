/** BERT (Devlin et al. 2019): encoder blocks that read a whole text, in both directions. */
import { QuernError } from '../../core/errors.ts'
import { formatShape } from '../../core/shape.ts'
import { shapeOf, type Value } from '../../graph/graph.ts'
import { activate } from '../activations.ts'
import { dense } from '../dense.ts'
import { embedding } from '../embedding.ts'
import { type CommonOptions, type Layer, type LayerContext, layer } from '../layer.ts'
import { keepMask } from '../mask.ts'
import { masking } from '../masking.ts'
import { layerNormalization } from '../normalization.ts'
import { positiveInteger, rate } from '../options.ts'
import { positionEmbedding } from '../positions.ts'
import { dropout as dropoutLayer } from '../regularization.ts'
import { transformerEncoder } from '../transformer.ts'
import { embedTokens, languageInitializer, scoreTokens } from './tied-embedding.ts'

export interface BertOptions extends CommonOptions {
  /** different tokens; 0 is padding */
  readonly vocabularySize: number
  readonly numLayers: number
  readonly numHeads: number
  /** features of a position */
  readonly hiddenDim: number
  /** width of the feed-forward networks; default 4 times hiddenDim */
  readonly intermediateDim?: number
  /** default: the length that the model is built for */
  readonly maxSequenceLength?: number
  /** kinds of tokens, such as first and second sentence; default 2 */
  readonly numSegments?: number
  /** default 0.1 */
  readonly dropout?: number
  /**
   * 'none': every position, `[batch, positions, hiddenDim]`; 'pooler': tanh(x W + b) of the first one, `[batch, hiddenDim]`; 'maskedLanguageModel': the
   * probabilities of each position's token, `[batch, positions, vocabularySize]`; 'classifier': of `classes`, `[batch, classes]`. Default none.
   */
  readonly head?: BertHead
  readonly classes?: number
}

export type BertHead = 'none' | 'pooler' | 'maskedLanguageModel' | 'classifier'

const heads: readonly BertHead[] = ['none', 'pooler', 'maskedLanguageModel', 'classifier']
const normalize = (): Layer => layerNormalization({ epsilon: 1e-12 })
const project = (units: number): Layer => dense({ units, kernelInitializer: languageInitializer })

/**
 * Tokens, integers `[batch, positions]`, and perhaps their segments, of the same shape, and the mask, `[batch, positions]` with 0 for padding (default:
 * where the token is 0) -> what `head` says. Errors: `input` for other shapes, `config` for sizes that do not fit.
 * @example bert({ vocabularySize: 30522, numLayers: 12, numHeads: 12, hiddenDim: 768, head: 'classifier', classes: 2 })
 */
export function bert(options: BertOptions): Layer {
  const kind = 'bert'
  const { numLayers, numHeads, hiddenDim, numSegments = 2, dropout = 0.1, head = 'none' } = options
  const { classes, vocabularySize } = options
  const sizes = { vocabularySize, numLayers, numHeads, hiddenDim, numSegments }
  for (const [option, value] of Object.entries(sizes)) positiveInteger(kind, option, value)
  rate(kind, 'dropout', dropout)
  if (!heads.includes(head)) {
    throw new QuernError('config', `${kind}: head must be '${heads.join("', '")}', received '${head as string}'`)
  }
  if (hiddenDim % numHeads !== 0) {
    throw new QuernError('config', `${kind}: numHeads (${numHeads}) must divide hiddenDim (${hiddenDim})`)
  }
  if (head === 'classifier') positiveInteger(kind, 'classes', classes ?? 0)
  const { intermediateDim = 4 * hiddenDim } = options
  const encoder = (): Layer =>
    transformerEncoder({
      ...{ numHeads, intermediateDim, dropout, normalizeFirst: false, epsilon: 1e-12 },
      kernelInitializer: languageInitializer,
    })
  return layer({
    kind,
    config: { ...options, ...sizes, intermediateDim, dropout, head },
    arity: 'many',
    apply: (c, inputs) => {
      let x = embed(c, kind, inputs, { ...options, numSegments, dropout })
      for (let i = 0; i < numLayers; i++) x = c.inner(`block_${i}`, encoder(), [x])
      if (head === 'none') return x
      if (head === 'maskedLanguageModel') return wordsAt(c, x, sizes)
      const first = c.g.squeeze(c.g.slice(x, [0], [1], [1]), [1])
      const pooled = c.g.tanh(c.inner('pooler', project(hiddenDim), [first]))
      if (head === 'pooler') return pooled
      const kept = c.inner('classifierDropout', dropoutLayer({ rate: dropout }), [pooled])
      return c.g.softmax(c.inner('classifier', project(classes!), [kept]))
    },
  })
}

/** Tokens, positions and segments as one vector a position, normalised. */
function embed(
  c: LayerContext,
  kind: string,
  inputs: readonly Value[],
  options: BertOptions & { numSegments: number; dropout: number },
): Value {
  const [tokens, segments, mask] = inputs
  const { hiddenDim, numSegments, dropout, maxSequenceLength } = options
  const shape = tokens ? shapeOf(tokens) : []
  if (!tokens || inputs.length > 3 || shape.length !== 2) {
    const found = inputs.map((input) => formatShape(shapeOf(input))).join(', ') || 'none'
    throw new QuernError('input', `${kind} needs [batch, positions] of one to three inputs, received ${found}`)
  }
  const marked = mask ? c.inner('masking', masking(), [tokens, mask]) : tokens
  const table = positionEmbedding({
    initializer: languageInitializer,
    ...(maxSequenceLength === undefined ? {} : { maxLength: maxSequenceLength }),
  })
  let x = embedTokens(c, marked, { ...options, maskZero: mask === undefined })
  x = c.inner('positionEmbedding', table, [x])
  if (segments) {
    const kinds = embedding({
      ...{ inputDim: numSegments, outputDim: hiddenDim, embeddingsInitializer: languageInitializer },
    })
    x = keepMask(c.g, [x], c.g.add(x, c.inner('segmentEmbedding', kinds, [segments])))
  }
  x = c.inner('normalization', normalize(), [x])
  return c.inner('dropout', dropoutLayer({ rate: dropout }), [x])
}

/** Which token stands at each position. */
function wordsAt(c: LayerContext, x: Value, sizes: { vocabularySize: number; hiddenDim: number }): Value {
  const hidden = activate(c.g, c.inner('transform', project(sizes.hiddenDim), [x]), 'gelu')
  const normalized = c.inner('transformNormalization', normalize(), [hidden])
  const bias = c.parameter('outputBias', { shape: [sizes.vocabularySize], initializer: 'zeros' })
  return c.g.softmax(c.g.add(scoreTokens(c, normalized, sizes.vocabularySize), bias))
}
