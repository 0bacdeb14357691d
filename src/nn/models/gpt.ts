/** GPT (Radford et al. 2019): decoder blocks that foretell the next token. */
import { QuernError } from '../../core/errors.ts'
import { formatShape } from '../../core/shape.ts'
import { shapeOf } from '../../graph/graph.ts'
import { type Activation, activate, activationName } from '../activations.ts'
import { dense } from '../dense.ts'
import { type CommonOptions, type Layer, layer } from '../layer.ts'
import { layerNormalization } from '../normalization.ts'
import { positiveInteger, rate } from '../options.ts'
import { positionEmbedding, sinusoidalPositions } from '../positions.ts'
import { dropout as dropoutLayer } from '../regularization.ts'
import { transformerDecoder } from '../transformer.ts'
import { embedTokens, languageInitializer, scoreTokens } from './tied-embedding.ts'

export interface GptOptions extends CommonOptions {
  /** different tokens */
  readonly vocabularySize: number
  readonly numLayers: number
  readonly numHeads: number
  /** features of a position */
  readonly hiddenDim: number
  /** width of the feed-forward networks; default 4 times hiddenDim */
  readonly intermediateDim?: number
  /** default: the length that the model is built for; a trained table of positions cannot grow */
  readonly maxSequenceLength?: number
  /** 'learned' (GPT-2, the default), 'rotary' (Llama) or 'sinusoidal' */
  readonly positions?: 'learned' | 'rotary' | 'sinusoidal'
  /** of the feed-forward networks; default gelu */
  readonly activation?: Activation | 'swiglu'
  readonly numKeyValueHeads?: number
  /** default 0 */
  readonly dropout?: number
  /** the output is scored by the embeddings of the tokens; default true */
  readonly tieWeights?: boolean
  /** of the scores; default softmax */
  readonly outputActivation?: Activation
}

/**
 * Tokens, integers `[batch, positions]` -> `[batch, positions, vocabularySize]`: the probabilities of the token that follows each. Train it on the same
 * tokens one place later, with sparseCategoricalCrossentropy. Errors: `input` for other shapes, `config` for sizes that do not fit.
 * @example gpt({ vocabularySize: 256, numLayers: 4, numHeads: 4, hiddenDim: 128 })
 */
export function gpt(options: GptOptions): Layer {
  const kind = 'gpt'
  const { vocabularySize, numLayers, numHeads, hiddenDim } = options
  const { positions = 'learned', activation = 'gelu', dropout = 0, tieWeights = true } = options
  const { outputActivation = 'softmax', maxSequenceLength, intermediateDim, numKeyValueHeads } = options
  const sizes = { vocabularySize, numLayers, numHeads, hiddenDim }
  for (const [option, value] of Object.entries(sizes)) positiveInteger(kind, option, value)
  rate(kind, 'dropout', dropout)
  const places = { learned: true, rotary: true, sinusoidal: true }
  if (!Object.hasOwn(places, positions)) {
    const names = Object.keys(places).join("', '")
    throw new QuernError('config', `${kind}: positions must be '${names}', received '${positions as string}'`)
  }
  if (hiddenDim % numHeads !== 0) {
    throw new QuernError('config', `${kind}: numHeads (${numHeads}) must divide hiddenDim (${hiddenDim})`)
  }
  const isSwiglu = activation === 'swiglu'
  const block = (): Layer =>
    transformerDecoder({
      ...{ numHeads, activation, dropout, rotary: positions === 'rotary', kernelInitializer: languageInitializer },
      ...(intermediateDim === undefined ? {} : { intermediateDim }),
      ...(numKeyValueHeads === undefined ? {} : { numKeyValueHeads }),
    })
  return layer({
    kind,
    config: {
      ...options,
      ...{ positions, dropout, tieWeights, outputActivation: activationName(outputActivation) },
      activation: isSwiglu ? activation : activationName(activation),
    },
    apply: (c, [tokens]) => {
      const shape = shapeOf(tokens!)
      if (shape.length !== 2) {
        throw new QuernError('input', `${kind} needs integers [batch, positions], received ${formatShape(shape)}`)
      }
      let x = embedTokens(c, tokens!, sizes)
      if (positions === 'learned') {
        const table = positionEmbedding({
          initializer: languageInitializer,
          ...(maxSequenceLength === undefined ? {} : { maxLength: maxSequenceLength }),
        })
        x = c.inner('positionEmbedding', table, [x])
      } else if (positions === 'sinusoidal') x = c.inner('sinusoidalPositions', sinusoidalPositions(), [x])
      x = c.inner('dropout', dropoutLayer({ rate: dropout }), [x])
      for (let i = 0; i < numLayers; i++) x = c.inner(`block_${i}`, block(), [x])
      const last = c.inner('normalization', layerNormalization({ epsilon: 1e-5 }), [x])
      const output = dense({ units: vocabularySize, useBias: false, kernelInitializer: languageInitializer })
      const scores = tieWeights ? scoreTokens(c, last, vocabularySize) : c.inner('output', output, [last])
      return activate(c.g, scores, outputActivation)
    },
  })
}
