/** Activation functions by Keras' names. */
import { QuernError, suggestion } from '../core/errors.ts'
import type { Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'

export type ActivationName =
  | 'linear'
  | 'relu'
  | 'relu6'
  | 'leakyRelu'
  | 'elu'
  | 'selu'
  | 'gelu'
  | 'silu'
  | 'swish'
  | 'mish'
  | 'sigmoid'
  | 'hardSigmoid'
  | 'hardSwish'
  | 'tanh'
  | 'softplus'
  | 'softsign'
  | 'exponential'
  | 'softmax'
  | 'logSoftmax'

const activations: Readonly<Record<ActivationName, (g: Emitter, x: Value) => Value>> = {
  linear: (_g, x) => x,
  relu: (g, x) => g.relu(x),
  /** min(max(x, 0), 6) */
  relu6: (g, x) => g.min(g.relu(x), 6),
  leakyRelu: (g, x) => g.op('LeakyRelu', [x], { alpha: 0.2 }),
  elu: (g, x) => g.op('Elu', [x]),
  selu: (g, x) => g.op('Selu', [x]),
  gelu: (g, x) => g.op('Gelu', [x]),
  /** x sigmoid(x) */
  silu: (g, x) => g.mul(x, g.sigmoid(x)),
  swish: (g, x) => g.mul(x, g.sigmoid(x)),
  mish: (g, x) => g.op('Mish', [x]),
  sigmoid: (g, x) => g.sigmoid(x),
  hardSigmoid: (g, x) => g.op('HardSigmoid', [x], { alpha: 1 / 6 }),
  hardSwish: (g, x) => g.op('HardSwish', [x]),
  tanh: (g, x) => g.tanh(x),
  softplus: (g, x) => g.op('Softplus', [x]),
  softsign: (g, x) => g.op('Softsign', [x]),
  exponential: (g, x) => g.exp(x),
  softmax: (g, x) => g.softmax(x),
  logSoftmax: (g, x) => g.logSoftmax(x),
}

/** A known name, or any function that writes operators. */
export type Activation = ActivationName | ((g: Emitter, x: Value) => Value)

/** Applies an activation; undefined leaves the value as it is. */
export function activate(g: Emitter, x: Value, activation: Activation | undefined): Value {
  if (activation === undefined) return x
  if (typeof activation === 'function') return activation(g, x)
  if (Object.hasOwn(activations, activation)) return activations[activation](g, x)
  throw new QuernError(
    'config',
    `unknown activation '${activation}'. ${suggestion(activation, Object.keys(activations))}`,
  )
}

/** The name for a layer's config; a function of the user's own has no name that could be read back. */
export function activationName(activation: Activation | undefined): string {
  return typeof activation === 'function' ? 'custom' : (activation ?? 'linear')
}
