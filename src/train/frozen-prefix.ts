/**
 * What of a model stays the same for each example during a whole training: everything before the first trained parameter that is computed alike
 * in training and in inference. It is found in the traced graph, so it does not matter of which layers the model is made.
 */
import { QuernError } from '../core/errors.ts'
import type { StaticShape } from '../core/shape.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { type Graph, type Node, reachable, type Value, valuesUsedBy } from '../graph/graph.ts'
import { substitute } from '../graph/substitute.ts'
import { type Layer, layer } from '../nn/layer.ts'
import { Tracer } from '../nn/trace.ts'
import { Emitter } from '../ops/emitter.ts'
import type { OpTable } from '../ops/op.ts'
import { optimizeInference } from '../passes/index.ts'
import { attributesKey, drawing, tensorKey } from '../passes/share.ts'
import type { ColumnSpec } from './network.ts'

export interface FrozenPrefix {
  /** what stands in the place of the model's inputs: one example each */
  readonly features: readonly ColumnSpec[]
  /** the rest of the model, on the features, with the same parameters */
  readonly suffix: Layer
  /** The graph from the inputs `[batch, ...]` to the features, without parameters. */
  graph(batch: number): Graph
}

/** A prime that no size of a model is: a dimension that equals it is the batch. Tracing costs the same for any size. */
const probe = 7919
/** Constants of more elements are told apart by their memory: weights of files are the same objects in every trace. */
const largestCompared = 4096
const featureTypes: ReadonlySet<string> = new Set(['float32', 'uint8', 'int32', 'int64'])

/** Where a value is computed: the node by its place in the trace, or an input by -1 - its index; and which output. */
type Place = readonly [node: number, output: number]

/**
 * Splits a model behind its frozen part; undefined when that is not worth it: no product of matrices and no convolution lies in it, or the model
 * has several outputs.
 */
export function frozenPrefix(model: Layer, inputs: readonly ColumnSpec[], table: OpTable): FrozenPrefix | undefined {
  if (model.applyAll) return undefined
  const [trained, inferred] = [true, false].map((training) => {
    return traceOn(model, inputs, { batch: probe, table, training })
  }) as [Traced, Traced]
  const numbers = new Map<string, number>()
  const [ids, others] = [expressionIds(trained, numbers), expressionIds(inferred, numbers)]
  const byId = new Map([...others].map(([value, id]) => [id, value]))
  const found = frontier(trained, new Set([...ids].flatMap(([value, id]) => (byId.has(id) ? [value] : []))))
  const isCostly = ({ domain, op }: Node) => table.get(domain, op)?.costly === true
  if (found.values.length === 0 || !found.nodes.some(isCostly)) return undefined
  const places = {
    training: found.values.map((value) => placeOf(trained, value)),
    inference: found.values.map((value) => placeOf(inferred, byId.get(ids.get(value)!)!)),
  }
  const expected = { training: operators(trained.builder.nodes), inference: operators(inferred.builder.nodes) }
  const features = found.values.map(({ type }, i) => ({
    name: `feature_${i}`,
    dtype: type!.dtype,
    shape: type!.shape!.slice(1) as StaticShape,
  }))
  return {
    features,
    suffix: suffixOf(model, inputs, places, expected),
    graph: (batch) => {
      const traced = traceOn(model, inputs, { batch, table, training: false })
      checkSame(traced.builder.nodes, expected.inference)
      const outputs = places.inference.map((place) => valueAt(place, traced.builder.nodes, traced.inputs))
      const whole = { name: 'features', inputs: traced.inputs, parameters: [], nodes: traced.builder.nodes, outputs }
      return optimizeInference(reachable(whole))
    },
  }
}

interface Traced {
  readonly builder: GraphBuilder
  readonly inputs: readonly Value[]
  readonly output: Value
}

function traceOn(
  model: Layer,
  inputs: readonly ColumnSpec[],
  { batch, table, training }: { batch: number; table: OpTable; training: boolean },
): Traced {
  const builder = new GraphBuilder('features')
  const values = inputs.map(({ name, dtype, shape }) => builder.input(name, { dtype, shape: [batch, ...shape] }))
  const output = new Tracer(new Emitter(table, builder)).apply('', model, values, training)
  return { builder, inputs: values, output }
}

/**
 * A number for every value that depends on the inputs and on constants alone: equal numbers are equal expressions, also in two traces.
 * What depends on a parameter, a state or a draw has none.
 */
function expressionIds({ builder, inputs }: Traced, numbers: Map<string, number>): ReadonlyMap<Value, number> {
  const ids = new Map<Value, number>()
  const idOf = (key: string): number => {
    const known = numbers.get(key) ?? numbers.size
    numbers.set(key, known)
    return known
  }
  for (const [i, value] of inputs.entries()) ids.set(value, idOf(`input ${i}`))
  const operand = (value: Value | undefined): number | undefined => {
    if (!value) return -1
    const { constant } = value
    if (!constant) return ids.get(value)
    const isSmall = constant.data.length <= largestCompared
    return idOf(isSmall ? `constant ${tensorKey(constant)}` : `memory ${memoryNumber(constant.data)}`)
  }
  for (const node of builder.nodes) {
    const attributes = attributesKey(node)
    const operands = node.inputs.map(operand)
    if (attributes === undefined || drawing.has(node.op) || operands.includes(undefined)) continue
    const key = `${node.domain}.${node.op}(${operands.join()}) ${attributes}`
    for (const [i, value] of node.outputs.entries()) if (value) ids.set(value, idOf(`${key} ${i}`))
  }
  return ids
}

const memories = new WeakMap<object, number>()
let memoryCount = 0

function memoryNumber(data: object): number {
  const known = memories.get(data) ?? memoryCount++
  memories.set(data, known)
  return known
}

/** Values behind which training begins: computed alike in both modes, one row for each example, read by what is not. */
function frontier({ builder, inputs, output }: Traced, alike: ReadonlySet<Value>): { values: Value[]; nodes: Node[] } {
  const closed = new Set<Value>()
  for (;;) {
    const still = new Set<Value>(inputs)
    const nodes = builder.nodes.filter((node) => {
      const isStill =
        node.outputs.every((value) => !value || (alike.has(value) && !closed.has(value))) &&
        valuesUsedBy(node).every((value) => value.constant || still.has(value))
      if (isStill) for (const value of node.outputs) if (value) still.add(value)
      return isStill
    })
    const inside = new Set(nodes)
    const read = builder.nodes.filter((node) => !inside.has(node)).flatMap(valuesUsedBy)
    const values = [...new Set([...read, output])].filter((value) => still.has(value))
    const unfit = values.filter((value) => !isRow(value) && !inputs.includes(value))
    if (unfit.length === 0) return { values, nodes }
    for (const value of unfit) closed.add(value)
  }
}

function isRow({ type }: Value): boolean {
  return (
    type?.shape?.[0] === probe &&
    featureTypes.has(type.dtype) &&
    !type.shape.slice(1).some((dim) => typeof dim !== 'number')
  )
}

function placeOf({ builder, inputs }: Traced, value: Value): Place {
  const input = inputs.indexOf(value)
  if (input >= 0) return [-1 - input, 0]
  const node = builder.nodes.findIndex(({ outputs }) => outputs.includes(value))
  return [node, builder.nodes[node]!.outputs.indexOf(value)]
}

function valueAt([node, output]: Place, nodes: readonly Node[], inputs: readonly Value[]): Value {
  return node < 0 ? inputs[-1 - node]! : nodes[node]!.outputs[output]!
}

const operators = (nodes: readonly Node[]): string => nodes.map(({ op }) => op).join()

/** Places are counted: a model that writes other operators for another number of examples cannot be split. */
function checkSame(nodes: readonly Node[], expected: string): void {
  if (operators(nodes) === expected) return
  throw new QuernError(
    'unsupported',
    'the model writes other operators for this number of examples: its features cannot be kept',
    {
      hint: 'Switch it off: cacheFeatures: false.',
    },
  )
}

/** The whole model is written on inputs that are nowhere; then what reads the frozen part reads the features. */
function suffixOf(
  model: Layer,
  inputs: readonly ColumnSpec[],
  places: Readonly<Record<'training' | 'inference', readonly Place[]>>,
  expected: Readonly<Record<'training' | 'inference', string>>,
): Layer {
  return layer({
    kind: 'suffix',
    arity: 'many',
    config: { model: { kind: model.kind, ...model.config } },
    apply: (c, features) => {
      const { builder } = c.g
      const batch = features[0]!.type!.shape![0]!
      const raw = inputs.map(
        ({ name, dtype, shape }): Value => ({ name, type: { dtype, shape: [batch, ...shape] }, constant: undefined }),
      )
      const first = builder.nodes.length
      const output = model.apply(c, raw)
      const mode = c.training ? 'training' : 'inference'
      const written = builder.nodes.slice(first)
      checkSame(written, expected[mode])
      const replaced = new Map(places[mode].map((place, i) => [valueAt(place, written, raw), features[i]!]))
      builder.nodes.splice(first, written.length, ...written.map((node) => substitute(node, replaced)))
      return replaced.get(output) ?? output
    },
  })
}
