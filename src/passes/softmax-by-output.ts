/**
 * The gradient of softmax(S) in O = softmax(S) V needs the sums over each row of P * dP, with P = softmax(S) and dP = dO V'. They are also the sums
 * of O * dO (Dao et al. 2022, appendix B.2), which has one column for each feature of V where P has one for each row of V; and P * dP is not needed then:
 *
 *   P * dP - P * sum(P * dP)  =  P * (dP - sum(O * dO))
 *
 * Dropout between P and O changes nothing: with O = (P * M) V and dP = M * (dO V') both sums stay equal.
 */
import { isStatic, type StaticShape, sizeOf } from '../core/shape.ts'
import { type Graph, type Node, reachable, type Value } from '../graph/graph.ts'
import { isOp, producersOf, swapsLast } from './node-queries.ts'
import { partsOf } from './rewrite.ts'

export function softmaxByOutput(graph: Graph): Graph {
  const producers = producersOf(graph)
  const readers = new Map<Value, Node[]>()
  for (const node of graph.nodes) {
    for (const value of new Set(node.inputs)) if (value) readers.set(value, [...(readers.get(value) ?? []), node])
  }
  const outputs = new Set(graph.outputs)
  let changed = false
  const nodes = graph.nodes.flatMap((node) => {
    const match = matchGradient(node, { producers, readers, outputs })
    if (!match) return [node]
    changed = true
    return rewritten(node, match)
  })
  return changed ? reachable({ ...graph, nodes }) : graph
}

interface Links {
  readonly producers: ReadonlyMap<Value, Node>
  readonly readers: ReadonlyMap<Value, readonly Node[]>
  readonly outputs: ReadonlySet<Value>
}

interface Match {
  /** softmax(S) and its gradient, [..., rows, columns] */
  readonly p: Value
  readonly dP: Value
  /** what the softmax is for and its gradient, [..., rows, features] */
  readonly o: Value
  readonly dO: Value
  /** the constant [-1] of the sum */
  readonly axes: Value
  /** type of the sums */
  readonly sums: Value
}

/** Sub(Mul(P, dP), Mul(P, ReduceSum(Mul(P, dP)))) over the last axis, where O is at hand and smaller. */
function matchGradient(node: Node, links: Links): Match | undefined {
  if (!isOp(node, 'Sub')) return undefined
  const [weighted, correction] = node.inputs.map((value) => value && links.producers.get(value))
  if (!isOp(weighted, 'Mul') || !isOp(correction, 'Mul') || links.outputs.has(weighted.outputs[0]!)) return undefined
  const sum = correction.inputs.map((value) => value && links.producers.get(value)).find((n) => isOp(n, 'ReduceSum'))
  const p = correction.inputs.find((value) => value !== sum?.outputs[0])
  const axes = sum?.inputs[1]
  if (!sum || !p || !axes || sum.inputs[0] !== weighted.outputs[0] || !sumsRows(sum, p)) return undefined
  const dP = weighted.inputs.find((value) => value !== p)
  // Whoever else reads P * dP would need it still.
  if (!dP || !weighted.inputs.includes(p) || links.readers.get(weighted.outputs[0]!)?.length !== 2) return undefined
  const found = productOf(p, dP, links)
  return found && { p, dP, ...found, axes, sums: sum.outputs[0]! }
}

/** True for a sum over the last axis that keeps it. */
function sumsRows(sum: Node, p: Value): boolean {
  const axes = sum.inputs[1]?.constant
  const rank = p.type?.shape?.length
  if (axes?.data.length !== 1 || rank === undefined || (sum.attributes.keepdims?.value ?? 1) !== 1) return false
  const axis = Number(axes.data[0])
  return axis === -1 || axis === rank - 1
}

/** O = P V (or (P * M) V) and dO, when dP = dO V' (or M * (dO V')). */
function productOf(p: Value, dP: Value, { producers, readers }: Links): { o: Value; dO: Value } | undefined {
  const behind = producers.get(dP)
  const mask = isOp(behind, 'Mul') ? behind.inputs.find((value) => value && masks(value, p, readers)) : undefined
  const kept = mask ? maskedBy(mask, p, readers) : p
  const source = mask ? behind?.inputs.find((value) => value !== mask) : dP
  const product = source && producers.get(source)
  if (!kept || !isOp(product, 'MatMul')) return undefined
  const [dO, turned] = product.inputs as [Value, Value]
  const transpose = producers.get(turned)
  const v = isOp(transpose, 'Transpose') && swapsLast(transpose) ? transpose.inputs[0] : undefined
  const forward = v && readers.get(kept)?.find((n) => isOp(n, 'MatMul') && n.inputs[0] === kept && n.inputs[1] === v)
  const o = forward?.outputs[0]
  return o && fits(o, dO, p) ? { o, dO } : undefined
}

function maskedBy(mask: Value, p: Value, readers: Links['readers']): Value | undefined {
  return readers.get(p)?.find((node) => isOp(node, 'Mul') && node.inputs.includes(mask))?.outputs[0]
}

function masks(value: Value, p: Value, readers: Links['readers']): boolean {
  return maskedBy(value, p, readers) !== undefined
}

/** O and dO have one shape, smaller than that of P: otherwise there is nothing to gain. */
function fits(o: Value, dO: Value, p: Value): boolean {
  const shapes = [o, dO, p].map((value) => value.type?.shape)
  if (!shapes.every((shape): shape is StaticShape => shape !== undefined && isStatic(shape))) return false
  const [a, b, c] = shapes as [StaticShape, StaticShape, StaticShape]
  return a.join() === b.join() && sizeOf(a) < sizeOf(c)
}

/** P * (dP - sum(O * dO)), under the name of what it replaces. */
function rewritten(node: Node, { p, dP, o, dO, axes, sums }: Match): Node[] {
  const parts = partsOf(node.name)
  const weighted = parts.value('weighted', o.type!)
  const sum = parts.value('sum', sums.type!)
  const centred = parts.value('centred', dP.type!)
  return [
    parts.node('Mul', 'Mul', [o, dO], weighted),
    parts.node('ReduceSum', 'ReduceSum', [weighted, axes], sum, { keepdims: { kind: 'int', value: 1 } }),
    parts.node('Sub', 'Sub', [dP, sum], centred),
    { ...node, op: 'Mul', inputs: [p, centred] },
  ]
}
