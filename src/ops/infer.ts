/** Output types of a node, from its operator's record. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import type { Attributes, ContainerType, Graph, TensorType, Value } from '../graph/graph.ts'
import { substitute } from '../graph/substitute.ts'
import { readAttributes } from './attributes.ts'
import type { InferContext, Op, OpTable } from './op.ts'

/**
 * Types of the first `outputCount` outputs; all undefined when the rank of an input is not known, since the rules need ranks.
 * Throws an error that names the operator, the node (`where`) and the shapes when they do not fit. With a table, the types inside
 * sub-graphs are inferred too.
 */
export function inferTypes(
  op: Op,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes,
  outputCount: number,
  where: string,
  table?: OpTable,
): readonly (TensorType | undefined)[] {
  if (!op.lenient && inputs.some((value) => value && !value.type?.shape)) {
    requireCount(op, inputs, where)
    return new Array(outputCount).fill(undefined)
  }
  return ask(op, inputs, attributes, outputCount, where, table, op.infer)
}

/** What the first `outputCount` outputs are that are no tensors: sequences and optional values. */
export function inferContainers(
  op: Op,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes,
  outputCount: number,
  where: string,
  table?: OpTable,
): readonly (ContainerType | undefined)[] {
  return op.containers ? ask(op, inputs, attributes, outputCount, where, table, op.containers) : []
}

function failure(op: Op, inputs: readonly (Value | undefined)[], where: string): (message: string) => never {
  const received = () =>
    inputs.map((v) => (!v ? 'none' : v.type?.shape ? `${v.type.dtype}${formatShape(v.type.shape)}` : '?')).join(', ')
  return (message) => {
    throw new QuernError('input', `${op.name} at '${where}': ${message}. Received inputs: ${received() || 'none'}`)
  }
}

function requireCount(op: Op, inputs: readonly (Value | undefined)[], where: string): void {
  const [least, most] = op.inputs
  if ((inputs.length >= least || op.lenient) && inputs.length <= most) return
  const expected = least === most ? least : `${least} to ${most}`
  failure(op, inputs, where)(`expected ${expected} inputs, received ${inputs.length}`)
}

/** Asks a rule of the record, in the context that rules see. */
function ask<T>(
  op: Op,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes,
  outputCount: number,
  where: string,
  table: OpTable | undefined,
  rule: (context: InferContext) => readonly T[],
): readonly T[] {
  const fail = failure(op, inputs, where)
  requireCount(op, inputs, where)
  const optional = (index: number) => inputs[index]?.type as { dtype: never; shape: never } | undefined
  const reader = readAttributes(op, attributes)
  try {
    const types = rule({
      optional,
      input: (index) => optional(index) ?? fail(`input ${index} is missing`),
      inputCount: inputs.length,
      outputCount,
      constant: (index) => inputs[index]?.constant,
      type: (index) => inputs[index]?.type,
      container: (index) => inputs[index]?.container,
      subGraph: (name, types) => inferGraph(reader.graph(name), types, table),
      attributes: reader,
      fail,
    })
    return types.slice(0, outputCount)
  } catch (error) {
    // Shape helpers below know no operator: say where it happened.
    if (error instanceof QuernError && !error.message.includes(` at '${where}'`)) fail(error.message)
    throw error
  }
}

/** Types of the outputs of a graph for inputs of other types than it states; what cannot be inferred keeps the stated type. */
function inferGraph(
  graph: Graph,
  inputs: readonly (TensorType | undefined)[],
  table: OpTable | undefined,
): readonly (TensorType | undefined)[] {
  const typed = new Map<Value, Value>()
  const state = (value: Value, type: TensorType | undefined) => {
    if (type) typed.set(value, { ...value, type })
  }
  graph.inputs.forEach((value, i) => {
    state(value, inputs[i])
  })
  for (const original of table ? graph.nodes : []) {
    const node = substitute(original, typed)
    const op = table?.get(node.domain, node.op)
    const types = op ? inferTypes(op, node.inputs, node.attributes, node.outputs.length, node.name, table) : []
    for (const [i, value] of node.outputs.entries()) if (value) state(value, types[i])
  }
  return graph.outputs.map((value) => (typed.get(value) ?? value).type)
}
