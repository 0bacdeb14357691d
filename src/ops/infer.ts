/** Output types of a node, from its operator's record. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import type { Attributes, TensorType, Value } from '../graph/graph.ts'
import { readAttributes } from './attributes.ts'
import type { Op } from './op.ts'

/**
 * Types of the first `outputCount` outputs; all undefined when the rank of an input is not known, since the rules need ranks.
 * Throws an error that names the operator, the node (`where`) and the shapes when they do not fit.
 */
export function inferTypes(
  op: Op,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes,
  outputCount: number,
  where: string,
): readonly (TensorType | undefined)[] {
  const received = () =>
    inputs.map((v) => (!v ? 'none' : v.type?.shape ? `${v.type.dtype}${formatShape(v.type.shape)}` : '?')).join(', ')
  const fail = (message: string): never => {
    throw new QuernError('input', `${op.name} at '${where}': ${message}. Received inputs: ${received() || 'none'}`)
  }
  const [least, most] = op.inputs
  if (inputs.length < least || inputs.length > most) {
    fail(`expected ${least === most ? least : `${least} to ${most}`} inputs, received ${inputs.length}`)
  }
  if (inputs.some((value) => value && !value.type?.shape)) return new Array(outputCount).fill(undefined)
  const optional = (index: number) => inputs[index]?.type as { dtype: never; shape: never } | undefined
  try {
    const types = op.infer({
      optional,
      input: (index) => optional(index) ?? fail(`input ${index} is missing`),
      inputCount: inputs.length,
      outputCount,
      constant: (index) => inputs[index]?.constant,
      attributes: readAttributes(op, attributes),
      fail,
    })
    return types.slice(0, outputCount)
  } catch (error) {
    // Shape helpers below know no operator: say where it happened.
    if (error instanceof QuernError && !error.message.includes(` at '${where}'`)) fail(error.message)
    throw error
  }
}
