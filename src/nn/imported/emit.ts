/** Writes the nodes of an imported graph on given values: types follow from what flows in, names stay. */
import { isFloat } from '../../core/dtype.ts'
import { messageOf, QuernError } from '../../core/errors.ts'
import { type Dim, formatShape, type Shape, unknownDim } from '../../core/shape.ts'
import { numbersOf } from '../../core/tensor.ts'
import type { GraphBuilder } from '../../graph/builder.ts'
import {
  dtypeOf,
  type Graph,
  type Node,
  shapeOf,
  type TensorType,
  type Value,
  valuesUsedBy,
} from '../../graph/graph.ts'
import { substitute } from '../../graph/substitute.ts'
import { lowerNode } from '../../ops/lower.ts'
import { isBatchNormalization, isBatchTraining, isDropout } from '../../ops/weight-inputs.ts'
import { inferGraph } from '../../passes/infer-graph.ts'
import type { LayerContext, ParameterSpec } from '../layer.ts'

export interface ImportedParts {
  readonly graph: Graph
  /** constants that become parameters */
  readonly weights: ReadonlyMap<Value, ParameterSpec>
  /** rates by value */
  readonly dropout: ReadonlyMap<Value, number>
  /** Dropout nodes behind a trained weight drop at their own rate */
  readonly restoresDropout: boolean
  /** of moving statistics; undefined: those of the file stay */
  readonly momentum: number | undefined
}

/** The values of the graph's outputs in the layer's own graph. */
export function writeImported(c: LayerContext, given: readonly Value[], parts: ImportedParts): readonly Value[] {
  const { graph } = parts
  const specialized = specializedTo(c, given, graph)
  const origin = originalsOf(graph)
  const written = new Map<Value, Value>(specialized.inputs.map((value, i) => [value, given[i]!]))
  const trained = trainedValues(graph, parts.weights)
  for (const node of specialized.nodes) {
    const original = origin.nodes.get(node.outputs.find((value) => value !== undefined)!.name)
    const changes = original !== undefined && whileTraining(original, parts, trained)
    // Statistics that move along are states: their names must be free.
    const constants = changes ? constantsRead({ ...node, inputs: node.inputs.slice(0, 3) }) : constantsRead(node)
    for (const value of constants) written.set(value, placed(c, value, parts, origin.constants))
    const moved = substitute(node, written)
    const outputs =
      (changes && special(c, moved, original, parts)) ||
      (isBatchTraining(moved) ? byBatch(c, moved) : repeated(c, moved))
    for (const [i, value] of node.outputs.entries()) {
      const output = outputs[i]
      if (value && output) written.set(value, dropped(c, output, original?.outputs[i], parts))
    }
  }
  return specialized.outputs.map((value) => written.get(value) ?? placed(c, value, parts, origin.constants))
}

/** The graph with the types of what flows in; throws when these are not what the file takes. */
function specializedTo(c: LayerContext, given: readonly Value[], graph: Graph): Graph {
  const { inputs } = graph
  if (given.length !== inputs.length) {
    const names = inputs.map(({ name }) => `'${name}'`).join(', ')
    throw new QuernError(
      'input',
      `the imported model takes ${inputs.length} inputs (${names}), received ${given.length}`,
    )
  }
  const sizes = new Map<string, Dim>()
  let isWidened = false
  for (const [i, value] of inputs.entries()) isWidened = bind(value, given[i]!, sizes) || isWidened
  const known = new Map<Value, Value>(inputs.map((value, i) => [value, { ...value, type: given[i]!.type! }]))
  for (const value of graph.nodes.flatMap(({ outputs }) => outputs)) {
    if (value?.type?.shape) known.set(value, { ...value, type: boundType(value.type, sizes, isWidened) })
  }
  try {
    return inferGraph(graph, c.g.table, known)
  } catch (error) {
    if (!isWidened) throw error
    throw new QuernError(
      'input',
      `the model '${graph.name}' was exported for one example at a time and does not take a batch: ${messageOf(error)}`,
      { hint: 'Export it with a dynamic batch axis, or train with batchSize: 1.', cause: error },
    )
  }
}

/** Compares an input of the file with what flows in, and notes what named sizes are. True when a batch of 1 becomes another. */
function bind(input: Value, given: Value, sizes: Map<string, Dim>): boolean {
  const { type, name } = input
  if (!type) return false
  const expected = `${type.dtype} ${type.shape ? formatShape(type.shape) : 'of any shape'}`
  const fail = (why: string, hint?: string): never => {
    throw new QuernError(
      'input',
      `the input '${name}' of the imported model takes ${expected}, received ${dtypeOf(given)} ${formatShape(shapeOf(given))}: ${why}`,
      { hint },
    )
  }
  if (dtypeOf(given) !== type.dtype) {
    fail(
      'the element types differ',
      isFloat(type.dtype) ? 'Convert the data, or put rescaling() in front.' : 'Give whole numbers, such as token ids.',
    )
  }
  const shape = shapeOf(given)
  if (!type.shape) return false
  if (type.shape.length !== shape.length) fail('the numbers of axes differ')
  let isWidened = false
  for (const [axis, dim] of type.shape.entries()) {
    const size = shape[axis]!
    if (typeof dim === 'number') {
      if (dim === size) continue
      if (axis === 0 && dim === 1) isWidened = true
      else if (axis === 0) fail(`it takes ${dim} examples at a time`, 'Export it with a dynamic batch axis.')
      else fail(`axis ${axis} is fixed`, 'Resize the data to the sizes that the model was exported for.')
    } else if (dim !== unknownDim) {
      const before = sizes.get(dim)
      if (before !== undefined && before !== size) fail(`'${dim}' is ${before} already`, 'Sizes of one name are equal.')
      sizes.set(dim, size)
    }
  }
  return isWidened
}

/** What the file says of a value, in the sizes of the data; where a batch of 1 becomes another, only the rank. */
function boundType(type: TensorType, sizes: ReadonlyMap<string, Dim>, isWidened: boolean): TensorType {
  const put = (dim: Dim): Dim => {
    if (isWidened) return unknownDim
    return typeof dim === 'string' ? (sizes.get(dim) ?? unknownDim) : dim
  }
  return { ...type, shape: (type.shape as Shape).map(put) }
}

interface Originals {
  /** nodes of the file by the name of their first output */
  readonly nodes: ReadonlyMap<string, Node>
  /** constants of the file by their elements */
  readonly constants: ReadonlyMap<unknown, Value>
}

/** Inference makes new values of the same names: the way back to the file's own. */
function originalsOf(graph: Graph): Originals {
  const constants = new Map<unknown, Value>()
  const read = [...graph.nodes.flatMap((node) => node.inputs), ...graph.outputs]
  for (const value of read) if (value?.constant) constants.set(value.constant, value)
  const nodes = new Map<string, Node>()
  for (const node of graph.nodes) {
    const first = node.outputs.find((value) => value !== undefined)
    if (first) nodes.set(first.name, node)
  }
  return { nodes, constants }
}

/** Constants that a node reads, those of its sub-graphs included: a trained weight may be read there too. */
function constantsRead({ inputs, attributes }: Node): Value[] {
  const inner = Object.values(attributes).flatMap((a) =>
    a.kind === 'graph' ? a.value.nodes.flatMap(constantsRead) : [],
  )
  return [...inputs.filter((value): value is Value => value?.constant !== undefined), ...inner]
}

/** Constants of a graph that is being built, by the file's value: a model that is applied twice has them once. */
const placements = new WeakMap<GraphBuilder, Map<unknown, Value>>()

/** A constant of the file in the layer's graph: a parameter when it is trained. */
function placed(c: LayerContext, value: Value, { weights }: ImportedParts, constants: Originals['constants']): Value {
  const original = constants.get(value.constant) ?? value
  const spec = weights.get(original)
  if (spec) {
    const parameter = c.parameter(original.name, spec)
    const dtype = original.constant!.dtype
    return dtype === 'float32' ? parameter : c.g.cast(parameter, dtype)
  }
  const known = placements.get(c.g.builder) ?? new Map<unknown, Value>()
  placements.set(c.g.builder, known)
  const constant = known.get(value.constant) ?? c.g.builder.constant(value.constant!, value.name)
  known.set(value.constant, constant)
  return constant
}

/** The node as it is. */
function repeated(c: LayerContext, node: Node): readonly (Value | undefined)[] {
  const open = node.outputs.find((value) => value && !value.type && !value.container)
  if (open) {
    const name = node.domain === '' ? node.op : `${node.domain}.${node.op}`
    throw new QuernError(
      'unsupported',
      `the type of '${open.name}' is not known: ${name} at '${node.name}' is no operator that Quern knows, and the file does not say`,
      { hint: 'End the model before it, or export the file with shapes inferred.' },
    )
  }
  const { op, domain, inputs, attributes } = node
  const record = c.g.table.get(domain, op)
  if (record?.lower && record.lacksKernel?.(inputs)) {
    return c.g.builder.within(node.name, () => lowerNode(c.g, { ...record, lower: record.lower! }, node))
  }
  const outputs = node.outputs.map((value) => value?.type)
  const containers = node.outputs.map((value) => value?.container)
  const names = node.outputs.map((value) => value?.name)
  return c.g.builder.within(node.name, () =>
    c.g.builder.node({ ...{ op, domain, inputs, attributes, outputs, names }, containers } as Parameters<
      GraphBuilder['node']
    >[0]),
  )
}

/** Values that change while training: those behind a trained weight. */
function trainedValues(graph: Graph, weights: ImportedParts['weights']): ReadonlySet<Value> {
  const found = new Set<Value>(weights.keys())
  for (const node of graph.nodes) {
    if (!valuesUsedBy(node).some((value) => found.has(value))) continue
    for (const value of node.outputs) if (value) found.add(value)
  }
  return found
}

/** Whether a node does something else while training: where nothing before it is trained, it stays as it is. */
function whileTraining(original: Node, parts: ImportedParts, trained: ReadonlySet<Value>): boolean {
  if (!original.inputs.some((value) => value && trained.has(value))) return false
  if (isDropout(original)) return parts.restoresDropout && !isRead(original.outputs[1], parts.graph)
  return (
    parts.momentum !== undefined &&
    isBatchNormalization(original) &&
    !isBatchTraining(original) &&
    original.inputs.every((v, i) => i < 3 || v?.constant)
  )
}

function isRead(value: Value | undefined, { nodes, outputs }: Graph): boolean {
  return value !== undefined && (outputs.includes(value) || nodes.some((node) => valuesUsedBy(node).includes(value)))
}

function special(
  c: LayerContext,
  node: Node,
  original: Node,
  { momentum }: ImportedParts,
): readonly (Value | undefined)[] | undefined {
  if (!isDropout(original)) return [normalized(c, node, original, momentum!)]
  const rate = original.inputs[1]?.constant ? numbersOf(original.inputs[1].constant)[0]! : 0.5
  const [x] = node.inputs
  return c.training && rate > 0 && rate < 1 ? [c.g.mul(x!, c.dropoutMask(shapeOf(x!), rate))] : undefined
}

/** Batch normalisation by the statistics of the batch, as the layer of that name; the file's are the states it begins with. */
function normalized(c: LayerContext, node: Node, original: Node, momentum: number): Value {
  const { g } = c
  const [x, scale, shift] = node.inputs as Value[]
  const [mean, variance] = original.inputs.slice(3).map((value) => {
    const elements = value!.constant!
    const initializer = { name: 'given', elements: elements.data as Float32Array } as const
    return { name: value!.name, state: c.state(value!.name, { shape: elements.shape, initializer }) }
  })
  const epsilon = floatOf(node, 'epsilon', 1e-5)
  if (!c.training) return g.op('BatchNormalization', [x, scale, shift, mean!.state, variance!.state], { epsilon })
  const batch = ofBatch(g, x!, scale!, shift!, epsilon)
  for (const [old, fresh] of [
    [mean!, batch.mean],
    [variance!, batch.variance],
  ] as const) {
    c.update(old.name, g.add(g.mul(old.state, momentum), g.mul(fresh, 1 - momentum)), fresh)
  }
  return batch.y
}

/**
 * A normalisation that the file has in training mode: it answers by the statistics of the batch, and goes on doing so. In single operators, since the
 * runtime's would write its running statistics over its inputs, constants of the graph, which others may read.
 */
function byBatch({ g }: LayerContext, node: Node): readonly Value[] {
  const [x, scale, shift, mean, variance] = node.inputs as Value[]
  const momentum = floatOf(node, 'momentum', 0.9)
  const batch = ofBatch(g, x!, scale!, shift!, floatOf(node, 'epsilon', 1e-5))
  const moved = (old: Value, now: Value) => g.add(g.mul(old, momentum), g.mul(now, 1 - momentum))
  return [batch.y, moved(mean!, batch.mean), moved(variance!, batch.variance)].slice(0, node.outputs.length)
}

/** y = scale (x - mean) / sqrt(variance + epsilon) + shift with mean and variance `[channels]` of the batch. */
function ofBatch(g: LayerContext['g'], x: Value, scale: Value, shift: Value, epsilon: number) {
  const axes = shapeOf(x).flatMap((_, axis) => (axis === 1 ? [] : [axis]))
  const channels = shapeOf(scale)
  const perChannel = [1, ...channels, ...axes.slice(1).map(() => 1)]
  const mean = g.mean(x, axes, true)
  const centred = g.sub(x, mean)
  const variance = g.mean(g.mul(centred, centred), axes, true)
  const factor = g.mul(g.reciprocal(g.sqrt(g.add(variance, epsilon))), g.reshape(scale, perChannel))
  const y = g.add(g.mul(centred, factor), g.reshape(shift, perChannel))
  return { y, mean: g.reshape(mean, channels), variance: g.reshape(variance, channels) }
}

function floatOf({ attributes }: Node, name: string, fallback: number): number {
  const found = attributes[name]
  return found?.kind === 'float' ? found.value : fallback
}

function dropped(c: LayerContext, output: Value, original: Value | undefined, { dropout }: ImportedParts): Value {
  const rate = original && dropout.get(original)
  if (!rate || !c.training) return output
  return c.g.mul(output, c.dropoutMask(shapeOf(output), rate))
}
