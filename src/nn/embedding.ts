/** Vectors for integers. */
import { dtypes } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import { dtypeOf, shapeOf } from '../graph/graph.ts'
import type { Initializer } from './initializers.ts'
import { type CommonOptions, type Layer, layer, type Regularizer } from './layer.ts'
import { setMask } from './mask.ts'
import { positiveInteger } from './options.ts'

export interface EmbeddingOptions extends CommonOptions {
  /** number of different integers, 0 to inputDim - 1 */
  readonly inputDim: number
  /** length of a vector */
  readonly outputDim: number
  readonly embeddingsInitializer?: Initializer
  readonly embeddingsRegularizer?: Regularizer
  /** 0 is padding: the layers behind, up to those that read it, get a mask; default false */
  readonly maskZero?: boolean
}

/**
 * Looks vectors up: integers `[batch, ...]` of any integer type -> `[batch, ..., outputDim]`. Errors: `input` for other types; the
 * runtime refuses an integer that is not below inputDim.
 */
export function embedding(options: EmbeddingOptions): Layer {
  const { embeddingsInitializer: initializer = 'randomUniform', embeddingsRegularizer: regularizer } = options
  const shape = [
    positiveInteger('embedding', 'inputDim', options.inputDim),
    positiveInteger('embedding', 'outputDim', options.outputDim),
  ]
  return layer({
    kind: 'embedding',
    config: { ...options },
    keepsMask: 'first',
    apply: (c, [x]) => {
      const dtype = dtypeOf(x!)
      const { kind } = dtypes[dtype]
      if (kind !== 'int' && kind !== 'uint') {
        throw new QuernError('input', `embedding looks up integers, received ${dtype}`, {
          hint: "Give the column as int32: tensor('int32', shape, Int32Array.from(values)).",
        })
      }
      const indices = dtype === 'int64' ? x! : c.g.cast(x!, 'int32')
      const vectors = c.g.op('Gather', [c.parameter('embeddings', { shape, initializer, regularizer }), indices], {
        axis: 0,
      })
      if (!options.maskZero || shapeOf(x!).length !== 2) return vectors
      return setMask(vectors, c.g.cast(c.g.op('Not', [c.g.equal(indices, 0)]), 'float32'))
    },
  })
}
