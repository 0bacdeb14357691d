/**
 * Gradients of operators that can be written in others: the rule writes them so, on copies of the inputs, and goes back through what it wrote. What
 * the gradient does not read of it is never computed.
 */
import { isFloat } from '../core/dtype.ts'
import { dtypeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import type { GradientContext, GradientRule } from './op.ts'

/** Writes the first `outputs` of an operator in terms of others, for inputs of the same types. */
export type Lowering = (
  g: Emitter,
  inputs: readonly (Value | undefined)[],
  context: GradientContext,
) => readonly (Value | undefined)[]

/** The gradient of an operator that `lower` writes in operators with gradients. */
export function gradientByLowering(lower: Lowering): GradientRule {
  return (c) => {
    const { g, node } = c
    // Copies: one input may depend on another, and only the direct share is asked for here.
    const copies = node.inputs.map((value) => (value && !value.constant ? g.op('Identity', [value]) : value))
    const outputs = lower(g, copies, c)
    const used = outputs.flatMap((value, i) => {
      const seed = c.gradient(i)
      return value && seed ? [{ value, seed }] : []
    })
    const wanted = node.inputs.flatMap((value, i) => (value && isFloat(dtypeOf(value)) && c.wanted(value) ? [i] : []))
    const found = c.differentiate(
      g,
      used.map(({ value }) => value),
      used.map(({ seed }) => seed),
      wanted.map((i) => copies[i]!),
    )
    return node.inputs.map((_, i) => found[wanted.indexOf(i)])
  }
}
