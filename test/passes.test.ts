/** Every pass keeps what a graph computes: run before and after, and print what is left. */
import { expect, it } from 'vitest'
import { backward } from '../src/autodiff/backward.ts'
import { float32, numbersOf } from '../src/core/tensor.ts'
import { type Graph, shapeOf, type Value } from '../src/graph/graph.ts'
import { printGraph } from '../src/graph/print.ts'
import { transformerDecoder } from '../src/nn/index.ts'
import { trace } from '../src/nn/trace.ts'
import { table } from '../src/ops/index.ts'
import { computeEarly } from '../src/passes/compute-early.ts'
import { dropExpand } from '../src/passes/drop-expand.ts'
import { fuseMatMul } from '../src/passes/fuse-matmul.ts'
import { optimizeStep } from '../src/passes/index.ts'
import { leavesLast } from '../src/passes/leaves-last.ts'
import { maskAtOnce } from '../src/passes/mask-at-once.ts'
import { removeIdentity } from '../src/passes/remove-identity.ts'
import { reuseGelu } from '../src/passes/reuse-gelu.ts'
import { share } from '../src/passes/share.ts'
import { softmaxByOutput } from '../src/passes/softmax-by-output.ts'
import { sumByProduct } from '../src/passes/sum-by-product.ts'
import { transposeApart } from '../src/passes/transpose-apart.ts'
import { transposeBeforeSum } from '../src/passes/transpose-before-sum.ts'
import { withoutLastReshapes } from '../src/passes/without-last-reshapes.ts'
import { operators, run, start, unchanged } from './run-graph.ts'

it('fuses transpositions and a factor into the product', async () => {
  const { g, values } = start({ q: [2, 3, 4], k: [2, 5, 4] })
  const scores = g.div(g.matMul(values.q!, g.swapLast(values.k!)), 2)
  const after = await unchanged(g.builder.finish([scores]), fuseMatMul)
  expect(printGraph(after)).toBe(
    [
      'graph test',
      '  input q: float32[2, 3, 4]',
      '  input k: float32[2, 5, 4]',
      '  Div:out: float32[2, 3, 5] = com.microsoft.FusedMatMul(q, k, transA=0, transB=1, alpha=0.5)',
      '  return Div:out',
    ].join('\n'),
  )
})

it('fuses the gradient of an attention product, transposed results included', async () => {
  const { g, values } = start({ q: [2, 3, 4], k: [2, 5, 4] })
  const scores = g.mul(g.matMul(values.q!, g.swapLast(values.k!)), 0.5)
  const loss = g.sum(g.mul(scores, scores))
  const gradients = backward(g, loss, [values.q!, values.k!])
  const after = await unchanged(g.builder.finish([loss, ...gradients]), fuseMatMul)
  expect(operators(after)).not.toContain('Transpose')
  expect(after.nodes.filter((node) => node.op === 'FusedMatMul')).toHaveLength(3)
})

it('takes a factor into every product that reads the scaled value, when nothing else does', async () => {
  const make = (alsoSummed: boolean): Graph => {
    const { g, values } = start({ s: [2, 3, 4], q: [2, 4, 5], k: [2, 6, 3] })
    const scaled = g.mul(values.s!, 0.25)
    const products = [g.matMul(scaled, values.q!), g.matMul(values.k!, scaled)]
    return g.builder.finish([...products, ...(alsoSummed ? [g.sum(scaled)] : [])])
  }
  const after = await unchanged(make(false), fuseMatMul)
  expect(operators(after)).toBe('FusedMatMul FusedMatMul')
  expect(operators(await unchanged(make(true), fuseMatMul))).toBe('Mul MatMul MatMul ReduceSum')
})

/** softmax(S) V with more columns than features, its loss and the gradients of both. */
function attended(features: number, withMask: boolean): Graph {
  const { g, values } = start({ s: [2, 4, 6], v: [2, 6, features], mask: [2, 4, 6] })
  const p = g.softmax(values.s!)
  const o = g.matMul(withMask ? g.mul(p, values.mask!) : p, values.v!)
  const loss = g.sum(g.mul(o, g.exp(o)))
  return g.builder.finish([loss, ...backward(g, loss, [values.s!, values.v!])])
}

it.each([
  ['without dropout', false],
  ['with dropout', true],
])('sums the gradient of a softmax over what it was used for, %s', async (_, withMask) => {
  const graph = attended(3, withMask)
  const after = await unchanged(graph, softmaxByOutput)
  const sums = after.nodes.filter(({ op, inputs }) => op === 'ReduceSum' && inputs[1]?.constant?.data.length === 1)
  const summed = sums.map(({ inputs }) => shapeOf(inputs[0]!))
  expect(summed).toEqual([[2, 4, 3]])
  expect(after.nodes).toHaveLength(graph.nodes.length)
})

it('leaves the gradient of a softmax whose product is no smaller, or that has none', async () => {
  const wide = attended(6, false)
  expect(softmaxByOutput(wide)).toBe(wide)
  const { g, values } = start({ s: [2, 4] })
  const loss = g.sum(g.exp(g.softmax(values.s!)))
  const alone = g.builder.finish([loss, ...backward(g, loss, [values.s!])])
  expect(softmaxByOutput(alone)).toBe(alone)
})

it('turns the narrower operand of a large product once, apart from it', async () => {
  const { g, values } = start({ x: [512, 513], y: [512, 600], z: [512, 20], small: [512, 4] })
  const transposed = (a: Value, b: Value) => g.op('Gemm', [a, b], { transA: 1 })
  const { x, y, z, small } = values as Record<'x' | 'y' | 'z' | 'small', Value>
  const wide = [transposed(x, y), transposed(x, y)]
  expect(operators(await unchanged(g.builder.finish([g.sum(wide[0]!), g.sum(wide[1]!)]), transposeApart))).toBe(
    'Reshape Transpose Reshape Gemm Gemm ReduceSum ReduceSum',
  )
  const after = await unchanged(g.builder.finish([g.sum(transposed(x, z)), transposed(small, z)]), transposeApart)
  expect(operators(after)).toBe('Reshape Transpose Reshape Gemm Reshape Transpose Reshape ReduceSum Gemm')
  expect(shapeOf(after.nodes[3]!.outputs[0]!)).toEqual([20, 513])
})

/** Two layers with Gelu, [rows, 64], their loss and the gradients of both weights. */
function twoLayers(rows: number): Graph {
  const { g, values } = start({ x: [rows, 64], v: [64, 64], w: [64, 64] })
  const { x, v, w } = values as Record<'x' | 'v' | 'w', Value>
  const hidden = g.op('Gelu', [g.matMul(g.div(x, 8), v)])
  const loss = g.mean(g.op('Gelu', [g.matMul(g.div(hidden, 8), w)]))
  return reuseGelu(share(g.builder.finish([loss, ...backward(g, loss, [v, w])])))
}

it('computes the slope of a Gelu in the forward pass, where it is all that stays of it', async () => {
  const graph = twoLayers(1024)
  const early = (given: Graph): Graph => computeEarly(given, given.outputs.slice(0, 1), table)
  const after = await unchanged(graph, early)
  const inFront = (given: Graph): string[] => operators(given).split(' ReduceMean')[0]!.split(' ')
  expect(inFront(graph)).not.toContain('Exp')
  expect(inFront(after)).toContain('Exp')
  // What is multiplied behind it is a Reshape that waits for the slope.
  const gate = after.nodes.find(({ op, inputs }) => op === 'Reshape' && inputs[1]?.constant === undefined)!
  const readers = after.nodes.filter(({ inputs }) => inputs.includes(gate.outputs[0]))
  expect(readers.map(({ op }) => op)).toEqual(['Mul'])
  const small = twoLayers(8)
  expect(early(small)).toBe(small)
})

it('lets the runtime compute the gradient of a weight as soon as it can', async () => {
  const after = await unchanged(twoLayers(8), leavesLast)
  const [loss, ofFirst, ofSecond] = after.outputs
  const names = after.nodes.map(({ outputs }) => outputs[0]!.name)
  expect(names.slice(-3)).toEqual([ofFirst, ofSecond, loss].map((value) => value!.name))
})

it('sums rows and channels by products with ones, where they are large', async () => {
  const { g, values } = start({ rows: [12, 8, 128], pictures: [8, 16, 9, 9], small: [12, 8, 4] })
  const { rows, pictures, small } = values as Record<'rows' | 'pictures' | 'small', Value>
  const graph = g.builder.finish([g.sum(rows, [0, 1]), g.sum(rows, [-2, 0], true), g.sum(pictures, [0, 2, 3])])
  expect(operators(await unchanged(graph, sumByProduct))).toBe(
    'Reshape MatMul Reshape Reshape MatMul Reshape Reshape MatMul Reshape MatMul Reshape',
  )
  const others = [g.sum(rows), g.sum(rows, [2]), g.sum(rows, [1]), g.sum(pictures, [0, 2]), g.sum(small, [0, 1])]
  const left = g.builder.finish(others)
  expect(operators(await unchanged(left, sumByProduct))).toBe(operators(left))
})

it('leaves a product alone that is read twice, and other permutations', async () => {
  const { g, values } = start({ a: [2, 3, 4], b: [2, 4, 3] })
  const product = g.matMul(values.a!, values.b!)
  const turned = g.matMul(g.transpose(values.a!, [1, 0, 2]), g.transpose(values.b!, [2, 1, 0]))
  const graph = g.builder.finish([g.swapLast(product), g.sum(product), g.sum(turned)])
  const after = await unchanged(graph, fuseMatMul)
  expect(operators(after)).toBe(operators(graph))
})

it('shares equal nodes and equal constants, but no random draws and no outputs of the graph', async () => {
  const { g, values } = start({ x: [2, 3] })
  const one = () => g.constant(float32([], [1]))
  const terms = [1, 2, 3].map(() => g.exp(g.add(values.x!, one())))
  const total = g.add(g.mul(terms[0]!, terms[1]!), terms[2]!)
  const twin = g.add(g.mul(terms[0]!, terms[1]!), terms[2]!)
  const after = await unchanged(g.builder.finish([total, twin]), share)
  expect(operators(after)).toBe('Add Exp Mul Add Add')
})

it('tells attributes and zeros of different sign apart', async () => {
  const { g, values } = start({ x: [2, 3] })
  const sums = [g.sum(values.x!, [0]), g.sum(values.x!, [0], true)]
  const zeros = [0, -0].map((v) => g.div(1, g.op('Mul', [g.relu(values.x!), g.constant(float32([], [v]))])))
  const graph = g.builder.finish([...sums, ...zeros])
  const after = share(graph)
  expect(operators(after)).toBe('ReduceSum ReduceSum Relu Mul Div Mul Div')
})

it('removes what changes nothing', async () => {
  const { g, values } = start({ x: [2, 3, 4] })
  const turned = g.transpose(g.transpose(g.op('Identity', [values.x!]), [1, 2, 0]), [2, 0, 1])
  const reshaped = g.reshape(g.unsqueeze(g.reshape(turned, [6, 4]), [0]), [2, 3, 4])
  const cast = g.op('Cast', [reshaped], { to: 1 })
  const same = g.op('Expand', [cast, g.integers([3, 4])])
  const after = await unchanged(g.builder.finish([g.exp(same)]), removeIdentity)
  expect(operators(after)).toBe('Exp')
})

it('joins chains of transpositions and of reshapes', async () => {
  const { g, values } = start({ x: [2, 3, 4] })
  const turned = g.transpose(g.transpose(values.x!, [1, 2, 0]), [1, 0, 2])
  const after = await unchanged(
    g.builder.finish([g.exp(g.reshape(g.squeeze(g.reshape(turned, [1, 24]), [0]), [8, 3]))]),
    removeIdentity,
  )
  expect(operators(after)).toBe('Transpose Reshape Exp')
})

it('keeps an identity that names an output', async () => {
  const { g, values } = start({ x: [2] })
  const after = await unchanged(g.builder.finish([g.op('Identity', [g.exp(values.x!)])]), removeIdentity)
  expect(operators(after)).toBe('Exp Identity')
})

it('computes the normal distribution of a Gelu and of its gradient once', async () => {
  const { g, values } = start({ x: [3, 4], z: [3, 4] })
  const y = g.op('Gelu', [values.x])
  const z = g.op('Gelu', [values.z], { approximate: 'tanh' })
  const [dx] = backward(g, g.sum(g.mul(g.add(y, z), y)), [values.x!])
  const after = await unchanged(g.builder.finish([y, z, dx!]), (graph) => reuseGelu(share(graph)))
  expect(operators(after).split(' ').slice(0, 5).join(' ')).toBe('Mul Erf HardSigmoid Mul Gelu')
  expect(after.nodes.filter(({ op }) => op === 'Erf')).toHaveLength(1)
  // without a gradient there is nothing to reuse
  const forward = start({ x: [2] })
  const alone = forward.g.builder.finish([forward.g.op('Gelu', [forward.values.x])])
  expect(reuseGelu(alone)).toBe(alone)
})

it('keeps loss and gradients of a block of a GPT', async () => {
  const x = { name: 'x', type: { dtype: 'float32', shape: [2, 4, 6] } } as const
  const traced = trace(transformerDecoder({ numHeads: 2, intermediateDim: 8 }), [x], { table, training: true })
  const { g, output, parameters } = traced
  const loss = g.mean(g.mul(output, output))
  const gradients = backward(
    g,
    loss,
    parameters.map(({ value }) => value),
  )
  const after = await unchanged(g.builder.finish([loss, ...gradients]), (graph) => optimizeStep(graph, table))
  expect(after.nodes.filter(({ op }) => op === 'LayerNormalization')).toHaveLength(2)
  expect(after.nodes.filter(({ op }) => op === 'Gelu')).toEqual([])
})

it('drops an Expand where the other operand has the full shape, and there alone', async () => {
  const { g, values } = start({ x: [2, 3, 4], k: [3, 1], s: [1, 3, 1] })
  const wide = g.expand(values.k!, [2, 3, 4])
  const both = g.sub(wide, g.expand(values.s!, [2, 3, 4]))
  const after = await unchanged(
    g.builder.finish([g.mul(wide, values.x!), g.div(values.x!, wide), g.add(wide, values.s!), both]),
    dropExpand,
  )
  // Of the difference one stays, and the sum has no other operand with four columns.
  expect(operators(after)).toBe('Expand Expand Sub Mul Div Add')
})

it('takes the mask of what is positive in one pass', async () => {
  const { g, values } = start({ x: [3, 5], y: [3, 5] })
  const x = g.mul(g.relu(values.x!), 1e-30)
  const mask = g.cast(g.greater(x, 0), 'float32')
  const others = [g.greater(x, values.y!), g.greater(x, 1)].map((value) => g.cast(value, 'float32'))
  const after = await unchanged(g.builder.finish([g.mul(values.y!, mask), ...others]), maskAtOnce)
  expect(operators(after)).toBe('Relu Mul HardSigmoid Greater Greater Cast Cast Mul')
})

it('turns what is summed before the sum, where a product takes it in', async () => {
  const { g, values } = start({ a: [2, 3, 4, 5], b: [2, 3, 4, 6] })
  const { a, b } = values as Record<'a' | 'b', Value>
  const product = (): Value => g.matMul(g.swapLast(a), b)
  const turned = g.swapLast(g.sum(product(), [0, 1], true))
  const after = await unchanged(g.builder.finish([turned]), (graph) => fuseMatMul(transposeBeforeSum(graph)))
  expect(operators(after)).toBe('FusedMatMul ReduceSum')
  // Along an axis of the matrices, or where the product is needed as well.
  const along = g.builder.finish([g.swapLast(g.sum(product(), [2], true))])
  expect(transposeBeforeSum(along)).toBe(along)
  const both = product()
  const read = g.builder.finish([g.swapLast(g.sum(both, [0, 1], true)), g.mul(both, 2)])
  expect(transposeBeforeSum(read)).toBe(read)
})

it('drops reshapes of outputs whose shape may change, where the value before has no memory of its own', async () => {
  const { g, values } = start({ x: [2, 3], y: [2, 3] })
  const [x, sum, product] = [values.x!, g.add(values.x!, values.y!), g.mul(values.x!, values.y!)]
  const flat = (value: Value) => g.reshape(value, [6])
  const outputs = [flat(g.exp(x)), flat(sum), sum, flat(product), flat(product), flat(x)]
  const after = withoutLastReshapes(g.builder.finish(outputs), 1)
  expect(operators(after)).toBe('Add Mul Exp Reshape Reshape Reshape Reshape')
  expect(after.outputs.map((value) => shapeOf(value))).toEqual([[6], [6], [2, 3], [2, 3], [6], [6]])
  expect(after.outputs[3]).toBe(product)
  const [before, now] = [await run(g.builder.finish(outputs)), await run(after)]
  expect(now.map(numbersOf)).toEqual(before.map(numbersOf))
})
