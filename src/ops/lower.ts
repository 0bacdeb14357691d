/** Fused operators by way of the standard operators that compute the same: their lowering also gives their gradient. */
import { isFloat } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import { dtypeOf, type Node, type Value } from '../graph/graph.ts'
import { readAttributes } from './attributes.ts'
import type { Emitter } from './emitter.ts'
import type { GradientRule, LowerContext, LowerRule, Op } from './op.ts'

/** Writes the standard operators that compute a node's outputs; `inputs` stand in the place of the node's own. */
export function lowerNode(
  g: Emitter,
  op: Op & { readonly lower: LowerRule },
  node: Node,
  inputs: readonly (Value | undefined)[] = node.inputs,
): readonly (Value | undefined)[] {
  const fail = (message: string): never => {
    throw new QuernError(
      'unsupported',
      `${op.name} at '${node.name}' cannot be written in standard operators: ${message}`,
      {
        hint: 'It runs as it is. To train, keep what lies before it frozen, or export the model without this form.',
      },
    )
  }
  const context: LowerContext = {
    g,
    input: (index) => inputs[index] ?? fail(`input ${index} is missing`),
    optional: (index) => inputs[index],
    inputCount: inputs.length,
    outputCount: node.outputs.length,
    attributes: readAttributes(op, node.attributes),
    fail,
  }
  return op.lower(context)
}

/** The record with a lowering, from which its gradient follows. */
export function lowered(op: Omit<Op, 'grad' | 'lower'>, lower: LowerRule): Op {
  const record = { ...op, lower }
  const grad: GradientRule = ({ g, node, gradient, wanted, differentiate }) => {
    // Copies of the inputs: a path from one input to another outside of the node must not be walked twice.
    const inputs = node.inputs.map((value) => {
      if (!value || value.constant || !isFloat(dtypeOf(value)) || !wanted(value)) return value
      return g.op('Identity', [value])
    })
    const whole: Op & { lower: LowerRule } = { ...record, grad }
    const outputs = lowerNode(g, whole, node, inputs)
    const [reached, seeds]: [Value[], Value[]] = [[], []]
    node.outputs.forEach((value, i) => {
      const seed = value && gradient(i)
      if (!seed) return
      const output = outputs[i]
      if (!output) {
        throw new QuernError(
          'unsupported',
          `no gradient through ${op.name} at '${node.name}': output ${i} has no equivalent`,
        )
      }
      reached.push(output)
      seeds.push(seed)
    })
    const copies = inputs.filter((value, i): value is Value => value !== undefined && value !== node.inputs[i])
    const found = differentiate(g, reached, seeds, copies)
    return inputs.map((value) => {
      const at = value ? copies.indexOf(value) : -1
      return at < 0 ? undefined : found[at]
    })
  }
  return { ...record, grad }
}
