/**
 * Where a step keeps what its gradients read later. Memory of gradients is there for all of a step, and a gradient is written when it is computed: those of
 * the first layers at the very end. Until then their memory can hold other values, which so become outputs of the graph.
 *
 * A value may lie in the memory of a gradient if all that read it must be done before that gradient is computed, by what needs what: then any order
 * that a runtime chooses is right, as long as it writes an output when it is computed. The same holds between two values that lie at one place.
 *
 * ONNX Runtime plans memory by size: a buffer serves values of exactly one number of bytes, and is held between them. So what counts is how many values of
 * a size are there at once. GPT of 12 layers of 768, vocabulary of 9728, 512 tokens, activations computed again: buffers of 98 MB become
 * 61.
 */
import { bytesOf, type Graph, type Value } from '../graph/graph.ts'
import { ExecutionOrder } from './execution-order.ts'

/** Bytes from which a value is moved: an output costs the runtime more than a value of its own. */
const leastBytes = 2 ** 20

/** What a value that is moved must save: fewer bytes are not worth one more output. */
const bytesOfLoan = 2 ** 18

const alignment = 64

/** A place in the memory of an output. */
export interface Loan {
  readonly of: Value
  readonly byteOffset: number
}

export interface LentMemory {
  /** with the values that were moved as outputs behind its own */
  readonly graph: Graph
  readonly loans: ReadonlyMap<Value, Loan>
}

/**
 * Moves values to the memory of outputs, where fewer of their size are there at once then.
 *
 * @param lenders outputs whose memory nobody reads before they are computed
 */
export function lendMemory(graph: Graph, lenders: readonly Value[]): LentMemory {
  const loans = new Map<Value, Loan>()
  const most = Math.max(0, ...lenders.map(bytesOf))
  const order = new ExecutionOrder(graph)
  for (const values of bySize(graph, order, most)) lendTo(values, { lenders, loans, order })
  return { graph: { ...graph, outputs: [...graph.outputs, ...loans.keys()] }, loans }
}

interface Lending {
  readonly lenders: readonly Value[]
  readonly loans: Map<Value, Loan>
  readonly order: ExecutionOrder
}

/** Values of one size each, largest first, in the order of their nodes. */
function bySize(graph: Graph, order: ExecutionOrder, most: number): readonly (readonly Value[])[] {
  const sizes = new Map<number, Value[]>()
  for (const value of graph.nodes.flatMap(({ outputs }) => outputs)) {
    const bytes = value ? bytesOf(value) : 0
    if (!value || bytes < leastBytes || bytes > most || order.isOutput(value)) continue
    const known = sizes.get(bytes)
    if (known) known.push(value)
    else sizes.set(bytes, [value])
  }
  return [...sizes].sort(([a], [b]) => b - a).map(([, values]) => values)
}

/** Lends to values of one size until no fewer are there at once, or it takes too many for that. */
function lendTo(values: readonly Value[], lending: Lending): void {
  while (lendOnce(values, lending, 'longest') || lendOnce(values, lending, 'shortest'));
}

/** Lends to values until one fewer is there at once, at each peak to those first that are there for the longest or the shortest time; lends nothing where that fails. */
function lendOnce(
  values: readonly Value[],
  { lenders, loans, order }: Lending,
  first: 'longest' | 'shortest',
): boolean {
  const added = new Map<Value, Loan>()
  const peak = () => atPeak(values, order, loans)
  const before = peak().length
  const most = before > 0 ? bytesOf(values[0]!) / bytesOfLoan : 0
  while (before > 0 && peak().length === before) {
    const there = first === 'longest' ? [...peak()].reverse() : peak()
    const found = added.size < most && firstPlace(there, lenders, loans, order)
    if (!found) {
      for (const value of added.keys()) loans.delete(value)
      return false
    }
    const [value, loan] = found
    added.set(value, loan)
    loans.set(value, loan)
  }
  return before > 0
}

function firstPlace(
  values: readonly Value[],
  lenders: readonly Value[],
  loans: ReadonlyMap<Value, Loan>,
  order: ExecutionOrder,
): readonly [Value, Loan] | undefined {
  for (const value of values) {
    const loan = placeFor(value, lenders, loans, order)
    if (loan) return [value, loan]
  }
  return undefined
}

/** The first place of the smallest lender that has one. */
function placeFor(
  value: Value,
  lenders: readonly Value[],
  loans: ReadonlyMap<Value, Loan>,
  order: ExecutionOrder,
): Loan | undefined {
  const bytes = bytesOf(value)
  const able = lenders.filter((lender) => bytesOf(lender) >= bytes && order.isDoneBefore(value, lender))
  for (const of of able.sort((a, b) => bytesOf(a) - bytesOf(b))) {
    const others = [...loans].filter(([, loan]) => loan.of === of)
    const starts = [0, ...others.map(([other, loan]) => aligned(loan.byteOffset + bytesOf(other)))]
    const byteOffset = starts
      .sort((a, b) => a - b)
      .find((from) => {
        if (from + bytes > bytesOf(of)) return false
        return others.every(([other, { byteOffset: start }]) => {
          const isApart = from + bytes <= start || start + bytesOf(other) <= from
          return isApart || order.isDoneBefore(other, value) || order.isDoneBefore(value, other)
        })
      })
    if (byteOffset !== undefined) return { of, byteOffset }
  }
  return undefined
}

const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment

/** Nodes, by their place in the graph, during which a buffer is used. */
interface Life {
  readonly value: Value
  readonly from: number
  to: number
}

/** Of values of one size, in the order of their nodes, those that have a buffer each when most do; those that are there for the shortest time come first. */
function atPeak(values: readonly Value[], order: ExecutionOrder, loans: ReadonlyMap<Value, Loan>): readonly Value[] {
  const lives = new Map<Value, Life>()
  for (const value of values) {
    if (loans.has(value)) continue
    const [from, to] = [order.placeOf(value), order.lastReader(value)]
    const source = lives.get(order.sourceOf(value)!)
    const shared = source && (order.isView(value) || source.to === from) ? source : undefined
    if (shared) shared.to = Math.max(shared.to, to)
    lives.set(value, shared ?? { value, from, to })
  }
  const all = [...new Set(lives.values())]
  let [most, at] = [0, 0]
  for (const { from } of all) {
    const count = all.reduce((sum, life) => sum + Number(life.from <= from && from <= life.to), 0)
    if (count > most) [most, at] = [count, from]
  }
  const there = all.filter(({ from, to }) => from <= at && at <= to)
  return there.sort((a, b) => a.to - a.from - (b.to - b.from)).map(({ value }) => value)
}
