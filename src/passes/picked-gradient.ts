/**
 * The gradient of what reads a few elements S of each row of log p = LogSoftmax(x), as cross-entropy does that reads one. The rules write it over whole rows:
 *
 *   d = S - exp(log p) * sum(S),   S = zeros with u added where elements were read
 *
 * The sum of S is that of u, so that d is -sum(u) * exp(log p) with u added at the same places: no zeros, no S, no sum and no difference over all classes.
 * [512, 9728]: 20 MB of zeros that stay, 20 MB of S, and three passes fewer.
 *
 * Where log p is large it is not kept for exp(log p) either, which is softmax(x) as well: x, the scores, is there anyway. What the loss reads of log p comes
 * first then: the runtime takes the loss, which nothing waits for, for the last thing to compute.
 */
import { isStatic, type StaticShape, sizeOf } from '../core/shape.ts'
import { numbersOf } from '../core/tensor.ts'
import { type Graph, type Node, shapeOf, type Value } from '../graph/graph.ts'
import { after } from '../ops/after.ts'
import type { Emitter } from '../ops/emitter.ts'
import type { OpTable } from '../ops/op.ts'
import { isOp, producersOf } from './node-queries.ts'
import { replaceNodes } from './replace-nodes.ts'
import { isZeros } from './zeros.ts'

/** Elements of log p from which its life is cut short: a megabyte of float32. */
const largeFrom = 2 ** 18

interface Match {
  /** exp(log p), `[..., classes, ...]`, and the node of log p */
  readonly p: Value
  readonly logSoftmax: Node
  readonly scatter: Node
  /** u, of the same shape but along `axis` */
  readonly updates: Value
  readonly axis: number
  /** what was read of log p */
  readonly read: readonly Value[]
}

export function pickedGradient(graph: Graph, table: OpTable): Graph {
  const producers = producersOf(graph)
  return replaceNodes(graph, table, {
    suffix: 'picked',
    match: (node) => match(node, producers, graph),
    emit: (g, { p, logSoftmax, scatter, updates, axis, read }) => {
      const factor = g.neg(sumAlong(g, updates, axis))
      const { op, attributes } = scatter
      const isLarge = sizeOf(shapeOf(p) as StaticShape) >= largeFrom
      const all = isLarge ? g.builder.node({ ...logSoftmax, op: 'Softmax', outputs: [p.type] })[0]! : p
      const weighted = g.mul(all, isLarge ? after(g, factor, read) : factor)
      g.builder.node({ op, inputs: [weighted, ...scatter.inputs.slice(1)], attributes, outputs: [p.type] })
    },
  })
}

/** Of one element there is nothing to sum. */
function sumAlong(g: Emitter, u: Value, axis: number): Value {
  return u.type?.shape?.[axis] === 1 ? u : g.sum(u, [axis], true)
}

/** Sub(S, Mul(P, ReduceSum(S))) with S = ScatterElements(zeros, ..., u) along the axis of the sum. */
function match(node: Node, producers: ReadonlyMap<Value, Node>, { nodes }: Graph): Match | undefined {
  if (!isOp(node, 'Sub')) return undefined
  const [scatter, weighted] = node.inputs.map((value) => value && producers.get(value))
  if (!isOp(scatter, 'ScatterElements') || scatter.attributes.reduction?.value !== 'add' || !isOp(weighted, 'Mul'))
    return undefined
  const isSum = (value: Value | undefined): boolean => {
    const sum = value && producers.get(value)
    return isOp(sum, 'ReduceSum') && sum.inputs[0] === scatter.outputs[0]
  }
  const [sum, p] = [weighted.inputs.find(isSum), weighted.inputs.find((value) => !isSum(value))]
  const [zeros, , updates] = scatter.inputs
  const [whole, part] = [p?.type?.shape, updates?.type?.shape]
  if (!sum || !p || !updates || !whole || !part || !isStatic(whole) || !isStatic(part)) return undefined
  const axis = axisOf(scatter.attributes.axis?.value, whole)
  const isAlong = axis === axisOfSum(producers.get(sum)!, whole)
  const fits =
    node.outputs[0]?.type?.shape?.join() === whole.join() && whole.every((n, i) => i === axis || n === part[i])
  if (!isAlong || !fits || !isZeros(zeros, producers)) return undefined
  const exp = producers.get(p)
  const logSoftmax = exp?.inputs[0] && producers.get(exp.inputs[0])
  if (!isOp(exp, 'Exp') || !isOp(logSoftmax, 'LogSoftmax')) return undefined
  const readers = nodes.filter((reader) => isOp(reader, 'GatherElements') && reader.inputs[0] === exp.inputs[0])
  return { p, logSoftmax, scatter, updates, axis, read: readers.map(({ outputs }) => outputs[0]!) }
}

const axisOf = (axis: unknown, { length }: StaticShape): number => {
  const number = Number(axis ?? 0)
  return number < 0 ? number + length : number
}

/** The one axis that is summed and kept; undefined for other sums. */
function axisOfSum({ inputs: [, axes], attributes }: Node, shape: StaticShape): number | undefined {
  const isKept = (attributes.keepdims?.value ?? 1) === 1
  const numbers = isKept && axes?.constant ? numbersOf(axes.constant) : []
  return numbers.length === 1 ? axisOf(numbers[0], shape) : undefined
}
