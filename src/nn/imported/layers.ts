/**
 * What an imported graph is made of, as a person sees it: layers with names and weights. A layer is a node that multiplies by weights (or looks
 * them up, or normalises by them) with the bias and the normalisation that follow it at once.
 */
import { isFloat } from '../../core/dtype.ts'
import { sizeOf } from '../../core/shape.ts'
import type { Tensor } from '../../core/tensor.ts'
import type { Graph, Node, Value } from '../../graph/graph.ts'
import { isFollowing, isJoining, isRearranging, weightUse } from '../../ops/weight-inputs.ts'

/** A constant of the graph that can be trained. */
export interface ImportedWeight {
  /** the file's name of it */
  readonly name: string
  readonly value: Value
  readonly elements: Tensor
}

export interface ImportedLayer {
  /** what the names of its weights have in common, or the name of its node */
  readonly name: string
  /** of its first node, such as 'Conv' */
  readonly op: string
  /** name of its first node */
  readonly node: string
  /** what it computes, its bias and its normalisation included */
  readonly output: string
  readonly weights: readonly ImportedWeight[]
  /** number of their elements */
  readonly parameters: number
}

interface Growing {
  readonly first: Node
  readonly weights: Map<Value, ImportedWeight>
  output: Value
}

/**
 * The layers in the order of the graph. A weight that several layers use is listed in each: it is one weight. Statistics of batch
 * normalisation, sizes, axes and scalars of formulas are no weights; nor is what lies inside of If, Loop and Scan.
 */
export function importedLayers(graph: Graph): readonly ImportedLayer[] {
  const origins: Origins = new Map()
  const layers: Growing[] = []
  const owner = new Map<Value, Growing>()
  for (const node of graph.nodes) {
    const [first] = node.inputs
    if (isRearranging(node)) {
      const moved = isJoining(node) ? node.inputs : [first]
      const found = moved.map((value) => weightsAt(value, origins))
      const outputs = node.outputs.filter((value): value is Value => value !== undefined)
      if (found.every((weights) => weights.length > 0)) {
        for (const output of outputs) origins.set(output, [...new Set(found.flat())])
        continue
      }
      const before = first && owner.get(first)
      if (before) for (const output of outputs) owner.set(output, before)
      // A weight that is joined to what flows, such as the token of a class in front of the pieces of a picture, is a layer.
      if (found.every((weights) => weights.length === 0)) continue
    }
    const weights = weightsOf(node, origins)
    if (weights.length === 0 || !node.outputs[0]) continue
    const before = isFollowing(node) ? node.inputs.map((value) => value && owner.get(value)).find(Boolean) : undefined
    const layer = before ?? { first: node, weights: new Map(), output: node.outputs[0] }
    if (!before) layers.push(layer)
    for (const weight of weights) layer.weights.set(weight.value, weight)
    layer.output = node.outputs[0]
    owner.set(node.outputs[0], layer)
  }
  return named(layers)
}

/** Every weight of the graph once, in the order of the layers. */
export function importedWeights(layers: readonly ImportedLayer[]): readonly ImportedWeight[] {
  return [...new Map(layers.flatMap(({ weights }) => weights.map((weight) => [weight.value, weight]))).values()]
}

/** Constants of real numbers that a value was made of by rearranging alone. */
type Origins = Map<Value, readonly Value[]>

function weightsAt(value: Value | undefined, origins: Origins): readonly Value[] {
  if (value?.constant) return isFloat(value.constant.dtype) ? [value] : []
  return (value && origins.get(value)) ?? []
}

function weightsOf(node: Node, origins: Origins): ImportedWeight[] {
  const joins = isJoining(node)
  const use = joins ? { slots: node.inputs.map((_, i) => i), elementwise: true } : weightUse(node)
  if (!use) return []
  const found = use.slots.map((slot) =>
    weightsAt(node.inputs[slot], origins).flatMap((value) => {
      const elements = value.constant!
      if (use.elementwise && elements.data.length < 2) return []
      return joins && isFilling(elements) ? [] : [{ name: value.name, value, elements }]
    }),
  )
  // A product of constants alone is a formula.
  return found.filter((weights) => weights.length > 0).length === node.inputs.length ? [] : found.flat()
}

/** Weights that lie inside of If, Loop and Scan, and nowhere else: they stay as they are. */
export function innerWeights(graph: Graph): readonly ImportedWeight[] {
  const own = new Set(importedWeights(importedLayers(graph)).map(({ elements }) => elements))
  const inner = graph.nodes.flatMap(({ attributes }) =>
    Object.values(attributes).flatMap((attribute) =>
      attribute.kind === 'graph'
        ? [...importedWeights(importedLayers(attribute.value)), ...innerWeights(attribute.value)]
        : [],
    ),
  )
  const found = new Map(inner.map((weight) => [weight.elements, weight]))
  return [...found.values()].filter(({ elements }) => !own.has(elements))
}

/** The same number everywhere: what something is padded with. */
function isFilling({ data }: Tensor): boolean {
  const numbers = data as ArrayLike<unknown>
  for (let i = 1; i < numbers.length; i++) if (numbers[i] !== numbers[0]) return false
  return true
}

function named(layers: readonly Growing[]): readonly ImportedLayer[] {
  const taken = new Map<string, number>()
  return layers.map(({ first, weights, output }) => {
    const list = [...weights.values()]
    const wanted = layerName(first, list)
    const count = taken.get(wanted) ?? 0
    taken.set(wanted, count + 1)
    return {
      name: count === 0 ? wanted : `${wanted}#${count + 1}`,
      op: first.op,
      node: first.name,
      output: output.name,
      weights: list,
      parameters: list.reduce((sum, { elements }) => sum + sizeOf(elements.shape), 0),
    }
  })
}

/** Names that exporters number: they say nothing. */
const meaningless = /^(onnx::|p2o\.|const(ant)?[_:\d]|_v_|val_|\d+$)/i

/** 'conv_0.w_0' -> 'conv_0', 'model/conv2d/Conv2D_weights_fused_bn' -> 'model/conv2d' */
function layerName(node: Node, weights: readonly ImportedWeight[]): string {
  const name = weights.find((weight) => !meaningless.test(weight.name))?.name
  const cut = name === undefined ? -1 : Math.max(name.lastIndexOf('.'), name.lastIndexOf('/'))
  return cut > 0 ? name!.slice(0, cut) : (name ?? node.name)
}
