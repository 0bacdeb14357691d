/**
 * Common subexpressions: two nodes that do the same with the same inputs become one, and equal small constants become one value. A
 * gradient often repeats what the forward pass computed.
 */
import type { Tensor } from '../core/tensor.ts'
import type { Attribute, Graph, Node, Value } from '../graph/graph.ts'
import { rewrite } from './rewrite.ts'

/** Operators that draw random numbers: two of them are never the same. */
export const drawing: ReadonlySet<string> = new Set([
  'Bernoulli',
  'Dropout',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
])

/** Larger constants are compared by identity: comparing elements would cost more than it saves. */
const largestCompared = 256

export function share(graph: Graph): Graph {
  const ids = new Map<Value, number>()
  const constants = new Map<string, Value>()
  const seen = new Map<string, Node>()
  const same = (value: Value): Value => {
    const { constant } = value
    if (!constant || constant.data.length > largestCompared) return value
    const key = tensorKey(constant)
    const first = constants.get(key)
    if (!first) constants.set(key, value)
    return first ?? value
  }
  const idOf = (value: Value | undefined): number => {
    if (!value) return -1
    if (!ids.has(value)) ids.set(value, ids.size)
    return ids.get(value)!
  }
  return rewrite(graph, (given, { replace }) => {
    const node = { ...given, inputs: given.inputs.map((value) => value && same(value)) }
    const attributes = attributesKey(node)
    if (drawing.has(node.op) || attributes === undefined) return node
    const key = [node.domain, node.op, node.inputs.map(idOf).join(','), attributes].join('|')
    const first = seen.get(key)
    if (!first || node.outputs.some((value, i) => value && !first.outputs[i])) {
      seen.set(key, node)
      return node
    }
    // Outputs of the graph keep their own node: their names count.
    const done = node.outputs.map((value, i) => !value || replace(value, first.outputs[i]!))
    return done.every((gone) => gone) ? undefined : node
  })
}

/** Attributes as text; undefined for nodes with sub-graphs or unread bytes, which are not compared. */
export function attributesKey(node: Node): string | undefined {
  const parts = Object.entries(node.attributes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, attribute]) => `${name}=${attributeKey(attribute)}`)
  return parts.some((part) => part.endsWith('=undefined')) ? undefined : parts.join(';')
}

function attributeKey(attribute: Attribute): string | undefined {
  if (attribute.kind === 'graph' || attribute.kind === 'opaque') return undefined
  if (attribute.kind !== 'tensor') return JSON.stringify(attribute.value)
  return attribute.value.data.length > largestCompared ? undefined : tensorKey(attribute.value)
}

/** -0 and 0 are told apart, since 1 / x tells them apart. */
export function tensorKey({ dtype, shape, data }: Tensor): string {
  const elements = Array.from(data as ArrayLike<unknown>, (v) => (Object.is(v, -0) ? '-0' : String(v)))
  return JSON.stringify([dtype, shape, elements])
}
