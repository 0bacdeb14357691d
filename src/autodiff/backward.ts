/**
 * Reverse-mode automatic differentiation of graphs. Walks the nodes from the last to the first, asks each operator's
 * record for its rule, and adds up what arrives at a value from several places. The result is ordinary nodes in the same
 * graph, so it can be optimised, run, exported and differentiated again.
 *
 * Knows no operator by name except Add, with which gradients are summed.
 */
import { isFloat, isQuantized } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import { type Dim, formatShape, type Shape, sameShape, unknownDim } from '../core/shape.ts'
import { capturedBy, dtypeOf, type Node, shapeOf, type Value, valuesUsedBy } from '../graph/graph.ts'
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
  const found = propagate(g, [loss], [seed ?? g.scalar(1, dtypeOf(loss))], wrt)
  return wrt.map((value, i) => found[i] ?? g.zerosLike(value))
}

/** Gradients of sum_i sum(outputs[i] seeds[i]) with respect to `wrt`; undefined for a value on which no output depends. */
function propagate(
  g: Emitter,
  outputs: readonly Value[],
  seeds: readonly Value[],
  wrt: readonly Value[],
): (Value | undefined)[] {
  const nodes = [...g.builder.nodes]
  const dependent = dependents(g, nodes, wrt)
  const gradients = new Map<Value, Value>()
  const accumulate = (value: Value, part: Value): void => {
    const sum = gradients.get(value)
    gradients.set(value, sum ? g.add(sum, part) : part)
  }
  outputs.forEach((value, i) => {
    accumulate(value, seeds[i]!)
  })

  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!
    if (!node.outputs.some((value) => value && gradients.has(value))) continue
    if (!valuesUsedBy(node).some((value) => dependent.has(value))) continue
    const captured = capturedOf(node)
    const parts = g.builder.within('gradient', () => gradientOf(g, node, captured, gradients, dependent))
    refuseCaptured(node, captured, parts, dependent)
    for (const [index, input] of [...node.inputs, ...captured].entries()) {
      const part = parts[index]
      if (!input || !dependent.has(input)) continue
      if (!part && !isFloat(dtypeOf(input))) refuseQuantized(node, input)
      if (!part) continue
      checkPart(node, index, input, part)
      accumulate(input, part)
    }
  }
  return wrt.map((value) => gradients.get(value))
}

/** Values of outer graphs that the sub-graphs of a node read, each once. */
function capturedOf(node: Node): Value[] {
  const graphs = Object.values(node.attributes).flatMap((a) => (a.kind === 'graph' ? [a.value] : []))
  return graphs.length === 0 ? [] : [...new Set(graphs.flatMap(capturedBy))]
}

/**
 * Values through which a change of `wrt` can reach the rest: floating-point results of nodes that read one of them. Quantised integers too, and what
 * is made of them without leaving their type.
 */
function dependents(g: Emitter, nodes: readonly Node[], wrt: readonly Value[]): Set<Value> {
  const found = new Set<Value>(wrt)
  for (const node of nodes) {
    const read = valuesUsedBy(node).filter((value) => found.has(value))
    if (read.length === 0) continue
    const carried = new Set(read.map(dtypeOf).filter(isQuantized))
    const quantizes = g.table.get(node.domain, node.op)?.quantizes
    for (const value of node.outputs) {
      const dtype = value?.type?.dtype
      if (!value || !dtype) continue
      // int32 is what products of quantised integers are summed in.
      const isCarrying = carried.size > 0 && (isQuantized(dtype) || dtype === 'int32')
      if (isFloat(dtype) || isCarrying || (quantizes && isQuantized(dtype))) found.add(value)
    }
  }
  return found
}

/** Whether two shapes can be the same: a size that nobody knows can be any. */
function agree(a: Shape, b: Shape): boolean {
  const fits = (one: Dim, other: Dim | undefined) => one === other || one === unknownDim || other === unknownDim
  return a.length === b.length && a.every((dim, i) => fits(dim, b[i]))
}

/** A rule that is wrong by a transposition or a broadcast must not train on nonsense. */
function checkPart(node: Node, index: number, input: Value, part: Value): void {
  const type = (value: Value) => `${dtypeOf(value)}${formatShape(shapeOf(value))}`
  const standsForReal = !isFloat(dtypeOf(input)) || isQuantized(dtypeOf(input))
  const fits = standsForReal ? isFloat(dtypeOf(part)) : dtypeOf(part) === dtypeOf(input)
  if (fits && agree(shapeOf(part), shapeOf(input))) return
  throw new QuernError(
    'unsupported',
    `the gradient rule of ${node.op} at '${node.name}' gave ${type(part)} for input ${index}, which is ${type(input)}`,
  )
}

/** Quantised integers have a gradient that only rules made for them hand on. */
function refuseQuantized(node: Node, input: Value): never {
  throw new QuernError(
    'unsupported',
    `no gradient through ${node.op} at '${node.name}': it computes with '${input.name}', quantised ${dtypeOf(input)}`,
    { hint: 'Put a DequantizeLinear in front of it.' },
  )
}

/** A rule that answers for inputs alone would lose the gradient of what a sub-graph reads from outside, in silence. */
function refuseCaptured(
  node: Node,
  captured: readonly Value[],
  parts: readonly unknown[],
  dependent: ReadonlySet<Value>,
): void {
  if (parts.length >= node.inputs.length + captured.length) return
  const lost = captured.find((value) => dependent.has(value))
  if (!lost) return
  throw new QuernError(
    'unsupported',
    `no gradient through ${node.op} at '${node.name}': its sub-graph reads '${lost.name}' from outside`,
  )
}

function gradientOf(
  g: Emitter,
  node: Node,
  captured: readonly Value[],
  gradients: ReadonlyMap<Value, Value>,
  dependent: ReadonlySet<Value>,
): readonly (Value | undefined)[] {
  const op = g.table.get(node.domain, node.op)
  if (!op) {
    const name = node.domain === '' ? node.op : `${node.domain}.${node.op}`
    throw new QuernError(
      'unsupported',
      `no gradient through ${name} at '${node.name}': Quern does not know this operator`,
      {
        hint: 'Train only what lies behind this node, or add a record for it to the table (createTable).',
      },
    )
  }
  if (typeof op.grad !== 'function') {
    throw new QuernError('unsupported', `no gradient through ${node.op} at '${node.name}': ${op.grad.none}`, {
      hint: 'Train only what lies behind this node, or replace it by operators that have a gradient.',
    })
  }
  const inner = { captured, wanted: (value: Value) => dependent.has(value), differentiate: propagate }
  return op.grad(gradientContext(g, op, node, gradients, inner))
}

function gradientContext(
  g: Emitter,
  op: Op,
  node: Node,
  gradients: ReadonlyMap<Value, Value>,
  inner: Pick<GradientContext, 'captured' | 'wanted' | 'differentiate'>,
): GradientContext {
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
    ...inner,
  }
}
