/**
 * Reverse-mode automatic differentiation of graphs. Walks the nodes from the last to the first, asks each operator's
 * record for its rule, and adds up what arrives at a value from several places. The result is ordinary nodes in the same
 * graph, so it can be optimised, run, exported and differentiated again.
 *
 * Knows no operator by name except Add, with which gradients are summed.
 */
import { isFloat } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import { formatShape, sameShape } from '../core/shape.ts'
import { dtypeOf, type Node, shapeOf, type Value, valuesUsedBy } from '../graph/graph.ts'
import { readAttributes } from '../ops/attributes.ts'
import type { Emitter } from '../ops/emitter.ts'
import type { GradientContext, Op } from '../ops/op.ts'

/**
 * Gradients of a scalar `loss` with respect to `wrt`, in their order. A value that the loss does not depend on gets
 * zeros. `seed` replaces the gradient of the loss with respect to itself (default 1) and frees the loss to have any shape.
 *
 * Throws `unsupported` when an operator without a gradient lies on a path from `wrt` to the loss.
 *
 * @example
 * const x = g.builder.input('x', { dtype: 'float32', shape: [] })
 * const [slope] = backward(g, g.mul(x, x), [x])        // 2 x
 * const [curvature] = backward(g, slope!, [x])         // 2
 */
export function backward(g: Emitter, loss: Value, wrt: readonly Value[], seed?: Value): Value[] {
  if (!seed && shapeOf(loss).length > 0) {
    throw new QuernError(
      'input',
      `a gradient starts from a scalar loss, received shape ${formatShape(shapeOf(loss))}`,
      {
        hint: 'Reduce the loss with a mean or a sum, or give a seed of the same shape.',
      },
    )
  }
  if (seed && !sameShape(shapeOf(seed), shapeOf(loss))) {
    throw new QuernError(
      'input',
      `the seed of a gradient has the shape of the loss, ${formatShape(shapeOf(loss))}, received ${formatShape(shapeOf(seed))}`,
    )
  }
  for (const value of [loss, ...wrt]) {
    if (isFloat(dtypeOf(value))) continue
    throw new QuernError('input', `'${value.name}' is ${dtypeOf(value)}: only floating-point values have a gradient`)
  }
  const nodes = [...g.builder.nodes]
  const dependent = dependents(nodes, wrt)
  const gradients = new Map<Value, Value>()
  gradients.set(loss, seed ?? g.scalar(1, dtypeOf(loss)))

  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!
    if (!node.outputs.some((value) => value && gradients.has(value))) continue
    if (!valuesUsedBy(node).some((value) => dependent.has(value))) continue
    refuseCaptured(node, dependent)
    const parts = g.builder.within('gradient', () => gradientOf(g, node, gradients))
    node.inputs.forEach((input, index) => {
      const part = parts[index]
      if (!input || !dependent.has(input)) return
      if (!part) return
      checkPart(node, index, input, part)
      const sum = gradients.get(input)
      gradients.set(input, sum ? g.add(sum, part) : part)
    })
  }
  return wrt.map((value) => gradients.get(value) ?? g.zerosLike(value))
}

/** Values through which a change of `wrt` can reach the rest: floating-point results of nodes that read one of them. */
function dependents(nodes: readonly Node[], wrt: readonly Value[]): Set<Value> {
  const found = new Set<Value>(wrt)
  for (const node of nodes) {
    if (!valuesUsedBy(node).some((value) => found.has(value))) continue
    for (const value of node.outputs) if (value?.type && isFloat(value.type.dtype)) found.add(value)
  }
  return found
}

/** A rule that is wrong by a transposition or a broadcast must not train on nonsense. */
function checkPart(node: Node, index: number, input: Value, part: Value): void {
  const type = (value: Value) => `${dtypeOf(value)}${formatShape(shapeOf(value))}`
  if (dtypeOf(part) === dtypeOf(input) && sameShape(shapeOf(part), shapeOf(input))) return
  throw new QuernError(
    'unsupported',
    `the gradient rule of ${node.op} at '${node.name}' gave ${type(part)} for input ${index}, which is ${type(input)}`,
  )
}

/** Rules answer for inputs alone: what a sub-graph reads from outside would lose its gradient in silence. */
function refuseCaptured(node: Node, dependent: ReadonlySet<Value>): void {
  const lost = valuesUsedBy(node).find((value) => dependent.has(value) && !node.inputs.includes(value))
  if (!lost) return
  throw new QuernError(
    'unsupported',
    `no gradient through ${node.op} at '${node.name}': its sub-graph reads '${lost.name}' from outside`,
  )
}

function gradientOf(g: Emitter, node: Node, gradients: ReadonlyMap<Value, Value>): readonly (Value | undefined)[] {
  const op = g.record(node.op, node.domain)
  if (typeof op.grad !== 'function') {
    throw new QuernError('unsupported', `no gradient through ${node.op} at '${node.name}': ${op.grad.none}`, {
      hint: 'Train only what lies behind this node, or replace it by operators that have a gradient.',
    })
  }
  return op.grad(gradientContext(g, op, node, gradients))
}

function gradientContext(g: Emitter, op: Op, node: Node, gradients: ReadonlyMap<Value, Value>): GradientContext {
  const required = (values: readonly (Value | undefined)[], index: number, side: string): Value => {
    const value = values[index]
    if (value) return value
    throw new QuernError(
      'unsupported',
      `the gradient of ${node.op} at '${node.name}' needs ${side} ${index}, which the node lacks`,
    )
  }
  const output = (index: number) => required(node.outputs, index, 'output')
  const gradient = (index: number) => {
    const value = node.outputs[index]
    return value && gradients.get(value)
  }
  return {
    g,
    node,
    get x() {
      return required(node.inputs, 0, 'input')
    },
    get y() {
      return output(0)
    },
    get dy() {
      return gradient(0) ?? g.zerosLike(output(0))
    },
    input: (index) => required(node.inputs, index, 'input'),
    optional: (index) => node.inputs[index],
    output,
    gradient,
    attributes: readAttributes(op, node.attributes),
  }
}
