/** Vectors for integers. */
import type { Initializer } from './initializers.ts'
import { type CommonOptions, type Layer, layer, type Regularizer } from './layer.ts'
import { positiveInteger } from './options.ts'

export interface EmbeddingOptions extends CommonOptions {
  /** number of different integers, 0 to inputDim - 1 */
  readonly inputDim: number
  /** length of a vector */
  readonly outputDim: number
  readonly embeddingsInitializer?: Initializer
  readonly embeddingsRegularizer?: Regularizer
}

/** Looks vectors up: integers `[batch, ...]` -> `[batch, ..., outputDim]`. */
export function embedding(options: EmbeddingOptions): Layer {
  const { embeddingsInitializer: initializer = 'randomUniform', embeddingsRegularizer: regularizer } = options
  const shape = [
    positiveInteger('embedding', 'inputDim', options.inputDim),
    positiveInteger('embedding', 'outputDim', options.outputDim),
  ]
  return layer({
    kind: 'embedding',
    config: { ...options },
    apply: (c, [x]) => c.g.op('Gather', [c.parameter('embeddings', { shape, initializer, regularizer }), x], { axis: 0 }),
  })
}
