/** Any ONNX operator as a layer, and none. */
import { type CommonOptions, type Layer, layer } from './layer.ts'

/** Gives back what it takes: a place with a name. */
export function identity(options: CommonOptions = {}): Layer {
  return layer({ kind: 'identity', config: { ...options }, apply: (_, [x]) => x! })
}

export interface OperatorOptions extends CommonOptions {
  /** its name in ONNX, such as 'Softplus' */
  readonly op: string
  readonly attributes?: Readonly<Record<string, number | string | readonly number[] | readonly string[]>>
}

/**
 * One ONNX operator without weights, on as many inputs as it takes; the first output is the result.
 * Errors: `unsupported` for an operator that is not in docs/operators.md.
 * @example operator({ op: 'ThresholdedRelu', attributes: { alpha: 0.5 } })
 */
export function operator(options: OperatorOptions): Layer {
  const { op, attributes = {} } = options
  return layer({
    kind: 'operator',
    config: { ...options, attributes },
    arity: 'many',
    apply: ({ g }, inputs) => g.op(op, inputs, attributes),
  })
}
