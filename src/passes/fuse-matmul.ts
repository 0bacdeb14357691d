/**
 * Transpositions and scalar factors around a matrix product become attributes of `com.microsoft.FusedMatMul`, which reads its operands
 * turned at no cost. For graphs that run in ONNX Runtime and are not exported:
 * - MatMul(A', B) and MatMul(A, B') with ' a swap of the last two axes,
 * - (A B)' = B' A',
 * - MatMul(A, B) times or over a constant scalar,
 * - MatMul(s A, B) and MatMul(A, s B), when nothing but products reads the scaled operand.
 *
 * float32 alone: the runtime has no other CPU kernel.
 */
import { sizeOf } from '../core/shape.ts'
import { numbersOf } from '../core/tensor.ts'
import { type Graph, type Node, type Value, valuesUsedBy } from '../graph/graph.ts'
import { swapsLast } from './node-queries.ts'
import { type Rewriting, rewrite } from './rewrite.ts'

interface Product {
  readonly a: Value
  readonly b: Value
  readonly transA: boolean
  readonly transB: boolean
  readonly alpha: number
}

export function fuseMatMul(graph: Graph): Graph {
  const onlyMultiplied = readByProductsAlone(graph)
  return rewrite(graph, (node, rewriting) => {
    const product = fused(node, rewriting, onlyMultiplied)
    return product ? nodeOf(node, product) : node
  })
}

/** The product that a node computes, when it can take something in; undefined for all other nodes. */
function fused(node: Node, rewriting: Rewriting, onlyMultiplied: ReadonlySet<Value>): Product | undefined {
  if (node.domain !== '' || node.outputs[0]?.type?.dtype !== 'float32') return undefined
  if (node.op === 'MatMul') {
    const product = productOf(node)
    const plain = product && scaleOutside(turnOperands(product, rewriting), rewriting, onlyMultiplied)
    return plain !== product ? plain : undefined
  }
  const inner =
    soleProduct(node.inputs[0], rewriting) ?? (node.op === 'Mul' ? soleProduct(node.inputs[1], rewriting) : undefined)
  if (!inner) return undefined
  if (node.op === 'Transpose') {
    if (!swapsLast(node)) return undefined
    return { a: inner.b, b: inner.a, transA: !inner.transB, transB: !inner.transA, alpha: inner.alpha }
  }
  const factor = factorOf(node, rewriting)
  return factor === undefined ? undefined : { ...inner, alpha: inner.alpha * factor }
}

/** MatMul or FusedMatMul as a product of batches of matrices; undefined for vectors and for turned batch axes. */
function productOf(node: Node | undefined): Product | undefined {
  if (!node) return undefined
  const [a, b] = node.inputs
  if (!a || !b || rank(a) < 2 || rank(b) < 2) return undefined
  if (node.domain === '' && node.op === 'MatMul') return { a, b, transA: false, transB: false, alpha: 1 }
  if (node.domain !== 'com.microsoft' || node.op !== 'FusedMatMul') return undefined
  const read = (name: string, fallback: number): number => {
    const found = node.attributes[name]
    return found?.kind === 'int' || found?.kind === 'float' ? found.value : fallback
  }
  if (read('transBatchA', 0) !== 0 || read('transBatchB', 0) !== 0) return undefined
  return { a, b, transA: read('transA', 0) !== 0, transB: read('transB', 0) !== 0, alpha: read('alpha', 1) }
}

/** The product behind a value that nobody else reads: otherwise it would be computed twice. */
function soleProduct(value: Value | undefined, rewriting: Rewriting): Product | undefined {
  return value && rewriting.uses(value) === 1 ? productOf(rewriting.producer(value)) : undefined
}

function rank(value: Value): number {
  return value.type?.shape?.length ?? 0
}

/** Reads through transpositions of the operands; the product itself when there are none. */
function turnOperands(product: Product, rewriting: Rewriting): Product {
  const sourceOf = (value: Value): Value | undefined => {
    const before = rewriting.producer(value)
    return before?.domain === '' && before.op === 'Transpose' && swapsLast(before) ? before.inputs[0] : undefined
  }
  const a = sourceOf(product.a)
  if (a) return turnOperands({ ...product, a, transA: !product.transA }, rewriting)
  const b = sourceOf(product.b)
  if (b) return turnOperands({ ...product, b, transB: !product.transB }, rewriting)
  return product
}

/** Values that are read, and by nothing but products. */
function readByProductsAlone({ nodes, outputs }: Graph): ReadonlySet<Value> {
  const read = new Set<Value>()
  const other = new Set<Value>(outputs)
  for (const node of nodes) {
    const into = node.op === 'MatMul' && node.domain === '' ? read : other
    for (const value of valuesUsedBy(node)) into.add(value)
  }
  return new Set([...read].filter((value) => !other.has(value)))
}

/** Constant factors of the operands become the product's own; the product itself when there are none. */
function scaleOutside(product: Product, rewriting: Rewriting, onlyMultiplied: ReadonlySet<Value>): Product {
  const scaled = (value: Value): { source: Value; factor: number } | undefined => {
    const before = onlyMultiplied.has(value) ? rewriting.producer(value) : undefined
    const scalar = before && scalarOf(before)
    return scalar && { source: scalar.other, factor: scalar.factor }
  }
  const [a, b] = [scaled(product.a), scaled(product.b)]
  if (!a && !b) return product
  const alpha = product.alpha * (a?.factor ?? 1) * (b?.factor ?? 1)
  return { ...product, a: a?.source ?? product.a, b: b?.source ?? product.b, alpha }
}

/** The constant scalar that a Mul or Div applies to its product. */
function factorOf(node: Node, rewriting: Rewriting): number | undefined {
  const scalar = scalarOf(node)
  return scalar && soleProduct(scalar.other, rewriting) ? scalar.factor : undefined
}

/** What a Mul or Div by a constant scalar scales, and by what; undefined for other nodes. */
function scalarOf(node: Node): { other: Value; factor: number } | undefined {
  if (node.domain !== '' || (node.op !== 'Mul' && node.op !== 'Div')) return undefined
  const scalar = node.inputs.find((value) => value?.constant && sizeOf(value.constant.shape) === 1)
  // The scalar must not add axes, and in a division it must stand below.
  if (!scalar?.constant || scalar.constant.shape.length > rank(node.outputs[0]!)) return undefined
  const other = node.inputs.find((value) => value !== scalar)
  if (!other || rank(other) !== rank(node.outputs[0]!)) return undefined
  const value = numbersOf(scalar.constant)[0]!
  if (node.op === 'Mul') return { other, factor: value }
  return node.inputs[1] === scalar && value !== 0 ? { other, factor: 1 / value } : undefined
}

function nodeOf(node: Node, { a, b, transA, transB, alpha }: Product): Node {
  if (!transA && !transB && alpha === 1) return { ...node, op: 'MatMul', inputs: [a, b], attributes: {} }
  return {
    ...node,
    op: 'FusedMatMul',
    domain: 'com.microsoft',
    inputs: [a, b],
    attributes: {
      transA: { kind: 'int', value: transA ? 1 : 0 },
      transB: { kind: 'int', value: transB ? 1 : 0 },
      alpha: { kind: 'float', value: alpha },
    },
  }
}
