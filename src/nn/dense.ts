/** Fully connected layers. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { shapeOf } from '../graph/graph.ts'
import { type Activation, activate, activationName } from './activations.ts'
import type { Initializer } from './initializers.ts'
import { type CommonOptions, type Layer, layer, type Regularizer } from './layer.ts'
import { positiveInteger } from './options.ts'

export interface DenseOptions extends CommonOptions {
  readonly units: number
  readonly activation?: Activation
  readonly useBias?: boolean
  readonly kernelInitializer?: Initializer
  readonly biasInitializer?: Initializer
  readonly kernelRegularizer?: Regularizer
}

/** activation(x W + b): `[batch, ..., in]` -> `[batch, ..., units]`. */
export function dense(options: DenseOptions): Layer {
  const {
    activation,
    useBias = true,
    kernelInitializer = 'glorotUniform',
    biasInitializer = 'zeros',
    ...rest
  } = options
  const units = positiveInteger('dense', 'units', options.units)
  return layer({
    kind: 'dense',
    config: { ...rest, units, useBias, activation: activationName(activation), kernelInitializer, biasInitializer },
    keepsMask: 'first',
    apply: (c, [x]) => {
      const { g } = c
      const shape = shapeOf(x!)
      const size = shape.at(-1)
      if (shape.length < 2 || typeof size !== 'number') {
        throw new QuernError(
          'input',
          `dense needs an input of rank 2 or more whose last dimension is a number, received ${formatShape(shape)}`,
          { hint: 'Put flatten() in front of it.' },
        )
      }
      const kernel = c.parameter('kernel', {
        shape: [size, units],
        initializer: kernelInitializer,
        regularizer: options.kernelRegularizer,
      })
      const bias = useBias ? c.parameter('bias', { shape: [units], initializer: biasInitializer }) : undefined
      // Gemm adds the bias in the same pass; it takes matrices only.
      if (shape.length === 2) return activate(g, g.gemm(x!, kernel, bias), activation)
      const product = g.matMul(x!, kernel)
      return activate(g, bias ? g.add(product, bias) : product, activation)
    },
  })
}
