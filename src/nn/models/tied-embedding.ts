/** An embedding of tokens whose table scores the output too (Press & Wolf 2017). */
import { shapeOf, type Value } from '../../graph/graph.ts'
import { embedding } from '../embedding.ts'
import type { Initializer } from '../initializers.ts'
import { type LayerContext, layer } from '../layer.ts'

/** Small weights, as BERT and GPT-2 start with. */
export const languageInitializer: Initializer = { name: 'randomNormal', stddev: 0.02 }

const name = 'tokenEmbedding'

/** Vectors of tokens, `[batch, positions]` -> `[batch, positions, features]`. */
export function embedTokens(
  c: LayerContext,
  tokens: Value,
  sizes: { vocabularySize: number; hiddenDim: number; maskZero?: boolean },
): Value {
  const { vocabularySize: inputDim, hiddenDim: outputDim, maskZero = false } = sizes
  const table = embedding({ inputDim, outputDim, maskZero, embeddingsInitializer: languageInitializer })
  return c.inner(name, table, [tokens])
}

/** How well each token fits, `[batch, positions, features]` -> `[batch, positions, vocabularySize]`, by the table of embedTokens. */
export function scoreTokens(c: LayerContext, x: Value, vocabularySize: number): Value {
  const scorer = layer({
    kind: 'embedding',
    config: {},
    apply: (inner, [h]) => {
      const shape = [vocabularySize, shapeOf(h!).at(-1) as number]
      const table = inner.parameter('embeddings', { shape, initializer: languageInitializer })
      return inner.g.matMul(h!, inner.g.swapLast(table))
    },
  })
  // The same path is the same parameter.
  return c.inner(name, scorer, [x])
}
