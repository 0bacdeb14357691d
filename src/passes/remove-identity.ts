/**
 * Removes what changes nothing: Identity, conversions to the same type, reshapes and expansions to the same shape, transpositions that
 * cancel. A chain of transpositions becomes one, and so does a chain of reshapes.
 */
import { dtypes } from '../core/dtype.ts'
import { isStatic, type Shape, sameShape } from '../core/shape.ts'
import { int64 } from '../core/tensor.ts'
import type { Graph, Node, Value } from '../graph/graph.ts'
import { type Rewriting, rewrite } from './rewrite.ts'

/** Operators that change the shape and nothing else. */
const reshaping = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'])

export function removeIdentity(graph: Graph): Graph {
  return rewrite(graph, (node, rewriting) => {
    const [x, y] = [node.inputs[0], node.outputs[0]]
    if (node.domain !== '' || !x || !y) return node
    const simpler = simplify(node, x, y, rewriting)
    if (simpler === undefined) return node
    if ('op' in simpler) return simpler
    return rewriting.replace(y, simpler) ? undefined : node
  })
}

/** The value that y is equal to, or a shorter node that computes it, or undefined when there is neither. */
function simplify(node: Node, x: Value, y: Value, rewriting: Rewriting): Value | Node | undefined {
  if (node.op === 'Identity') return x
  if (node.op === 'Cast') {
    const to = node.attributes.to
    return to?.kind === 'int' && x.type && dtypes[x.type.dtype].code === to.value ? x : undefined
  }
  if (node.op === 'Expand') return sameType(x, y) ? x : undefined
  if (node.op === 'Transpose') return simplifyTranspose(node, x, rewriting)
  if (reshaping.has(node.op)) return simplifyReshape(node, x, y, rewriting)
  return undefined
}

function sameType(a: Value, b: Value): boolean {
  const [from, to] = [a.type?.shape, b.type?.shape]
  return from !== undefined && to !== undefined && sameShape(from, to)
}

function permutationOf(node: Node, x: Value): readonly number[] | undefined {
  const perm = node.attributes.perm
  if (perm?.kind === 'ints') return perm.value
  return x.type?.shape?.map((_, i) => i).reverse()
}

function simplifyTranspose(node: Node, x: Value, rewriting: Rewriting): Value | Node | undefined {
  const outer = permutationOf(node, x)
  if (!outer) return undefined
  if (outer.every((axis, i) => axis === i)) return x
  const before = rewriting.producer(x)
  const source = before?.op === 'Transpose' && before.domain === '' ? before.inputs[0] : undefined
  const inner = before && source && permutationOf(before, source)
  if (!source || !inner) return undefined
  const joined = outer.map((axis) => inner[axis]!)
  if (joined.every((axis, i) => axis === i)) return source
  return { ...node, inputs: [source], attributes: { perm: { kind: 'ints', value: joined } } }
}

function simplifyReshape(node: Node, x: Value, y: Value, rewriting: Rewriting): Value | Node | undefined {
  if (sameType(x, y)) return x
  const source = sourceOf(x, rewriting)
  if (source === x) return undefined
  if (sameType(source, y)) return source
  const shape = y.type?.shape && targetShape(y.type.shape)
  if (!shape) return undefined
  const name = `${node.name}:shape`
  const constant = int64([shape.length], shape)
  const sizes: Value = { name, type: { dtype: 'int64', shape: constant.shape }, constant }
  const attributes = shape.includes(0) ? { allowzero: { kind: 'int', value: 1 } as const } : {}
  return { ...node, op: 'Reshape', inputs: [source, sizes], attributes }
}

/** The value in front of a chain of reshapes. */
function sourceOf(x: Value, rewriting: Rewriting): Value {
  const before = rewriting.producer(x)
  const source = before && before.domain === '' && reshaping.has(before.op) ? before.inputs[0] : undefined
  return source ? sourceOf(source, rewriting) : x
}

/** The shape as Reshape takes it: one unknown size may be left to the runtime, unless a size is 0. */
function targetShape(shape: Shape): readonly number[] | undefined {
  if (isStatic(shape)) return shape
  const sizes = shape.map((dim) => (typeof dim === 'number' ? dim : -1))
  return sizes.filter((size) => size === -1).length === 1 && !sizes.includes(0) ? sizes : undefined
}
