/** Every pass keeps what a graph computes: run before and after, and print what is left. */
import { expect, it } from 'vitest'
import { backward } from '../src/autodiff/backward.ts'
import { createRandom } from '../src/core/random.ts'
import { sizeOf } from '../src/core/shape.ts'
import { float32, numbersOf, type Tensor } from '../src/core/tensor.ts'
import { GraphBuilder } from '../src/graph/builder.ts'
import { type Graph, shapeOf, type Value } from '../src/graph/graph.ts'
import { printGraph } from '../src/graph/print.ts'
import { validate } from '../src/graph/validate.ts'
import { transformerDecoder } from '../src/nn/index.ts'
import { trace } from '../src/nn/trace.ts'
import { writeModel } from '../src/onnx/write.ts'
import { Emitter } from '../src/ops/emitter.ts'
import { table } from '../src/ops/index.ts'
import { dropExpand } from '../src/passes/drop-expand.ts'
import { fuseMatMul } from '../src/passes/fuse-matmul.ts'
import { optimizeStep } from '../src/passes/index.ts'
import { removeIdentity } from '../src/passes/remove-identity.ts'
import { reuseGelu } from '../src/passes/reuse-gelu.ts'
import { share } from '../src/passes/share.ts'
import { softmaxByOutput } from '../src/passes/softmax-by-output.ts'
import { sumByProduct } from '../src/passes/sum-by-product.ts'
import { transposeApart } from '../src/passes/transpose-apart.ts'
import { winograd } from '../src/passes/winograd.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'

const backend = createNodeBackend({ threads: 1 })

function start(shapes: Record<string, readonly number[]>): { g: Emitter; values: Record<string, Value> } {
  const g = new Emitter(table, new GraphBuilder('test'))
  const values = Object.entries(shapes).map(([name, shape]) => [
    name,
    g.builder.input(name, { dtype: 'float32', shape }),
  ])
  return { g, values: Object.fromEntries(values) }
}

async function run(graph: Graph): Promise<Tensor[]> {
  validate(graph)
  const session = await backend.createSession(writeModel(graph).model)
  const feeds = [...graph.inputs, ...graph.parameters].map((value) => {
    const shape = shapeOf(value) as number[]
    const random = createRandom(3).fork(value.name)
    return [
      value.name,
      float32(
        shape,
        Array.from({ length: sizeOf(shape) }, () => random.normal()),
      ),
    ]
  })
  const results = await session.run(Object.fromEntries(feeds))
  await session.release()
  return graph.outputs.map((value) => results[value.name]!)
}

/** The graph after the pass, once both have been run and found equal. */
async function unchanged(graph: Graph, pass: (graph: Graph) => Graph): Promise<Graph> {
  const after = pass(graph)
  expect(after.outputs.map((value) => value.name)).toEqual(graph.outputs.map((value) => value.name))
  const [expected, received] = [await run(graph), await run(after)]
  expected.forEach((tensor, i) => {
    expect(received[i]!.shape).toEqual(tensor.shape)
    numbersOf(tensor).forEach((v, j) => {
      expect(numbersOf(received[i]!)[j]).toBeCloseTo(v, 4)
    })
  })
  return after
}

/** The operators that are left, in order. */
function operators(graph: Graph): string {
  return graph.nodes.map((node) => node.op).join(' ')
}

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
  const { g, values } = start({ x: [512, 513], y: [512, 600], z: [512, 2], small: [512, 4] })
  const transposed = (a: Value, b: Value) => g.op('Gemm', [a, b], { transA: 1 })
  const { x, y, z, small } = values as Record<'x' | 'y' | 'z' | 'small', Value>
  const wide = [transposed(x, y), transposed(x, y)]
  expect(operators(await unchanged(g.builder.finish([g.sum(wide[0]!), g.sum(wide[1]!)]), transposeApart))).toBe(
    'Reshape Transpose Reshape Gemm Gemm ReduceSum ReduceSum',
  )
  const after = await unchanged(g.builder.finish([transposed(x, z), transposed(small, z)]), transposeApart)
  expect(operators(after)).toBe('Reshape Transpose Reshape Gemm Reshape Transpose Reshape Gemm')
  expect(shapeOf(after.nodes[3]!.outputs[0]!)).toEqual([2, 513])
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
  expect(operators(after).split(' ').slice(0, 6).join(' ')).toBe('Mul Erf Add Mul Mul Gelu')
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
  const after = await unchanged(g.builder.finish([loss, ...gradients]), optimizeStep)
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

it.each([
  ['same padding and a bias', [1, 1, 1, 1], [16, 128, 8, 8], [128, 128], true, 6],
  ['no padding', [0, 0, 0, 0], [12, 64, 18, 14], [64, 64], false, 6],
  ['odd outputs, padding that differs from side to side', [2, 0, 0, 1], [12, 128, 9, 11], [96, 128], false, 6],
  ['channels of odd counts', [1, 1, 1, 1], [11, 71, 11, 12], [93, 71], true, 6],
  ['padding of a whole tile', [5, 0, 0, 4], [12, 96, 8, 8], [96, 96], false, 6],
  ['outputs of 2 x 2', [1, 1, 1, 1], [32, 128, 2, 2], [128, 128], true, 4],
] as const)(
  'computes 3 x 3 convolutions with many channels by tiles, and their gradients: %s',
  async (_, pads, x, [m, channels], hasBias, places) => {
    const { g, values } = start({ x, w: [m, channels, 3, 3], b: [m] })
    const inputs = [values.x!, values.w!, ...(hasBias ? [values.b!] : [])]
    const y = g.op('Conv', inputs, { kernel_shape: [3, 3], pads })
    const forward = winograd(g.builder.finish([y]), table)
    expect(operators(forward)).not.toContain('Conv')
    const ofKernel = forward.nodes.find(({ op }) => op === 'Gemm')!
    expect(shapeOf(ofKernel.outputs[0]!)).toEqual([places ** 2, m * channels])
    const differentiated = (graph: Graph): Graph => {
      const again = new Emitter(table, GraphBuilder.resume(graph))
      const out = graph.outputs[0]!
      return again.builder.finish([
        out,
        ...backward(again, again.sum(again.mul(out, again.op('Sin', [again.div(out, 32)]))), inputs).map((v) => v!),
      ])
    }
    const [expected, received] = [await run(differentiated(g.builder.finish([y]))), await run(differentiated(forward))]
    for (const [i, tensor] of expected.entries()) {
      const [before, after] = [numbersOf(tensor), numbersOf(received[i]!)]
      let [largest, difference] = [0, 0]
      for (const [j, value] of before.entries()) {
        largest = Math.max(largest, Math.abs(value))
        difference = Math.max(difference, Math.abs(value - after[j]!))
      }
      expect(difference / largest).toBeLessThan(2e-5)
    }
  },
)

it('leaves other convolutions alone: few channels, few examples, strides, dilations, groups, a kernel that is not trained, tiles that fill the memory', () => {
  const { g, values } = start({
    x: [16, 128, 8, 8],
    one: [1, 128, 8, 8],
    w: [128, 128, 3, 3],
    thin: [16, 8, 8, 8],
    few: [64, 8, 3, 3],
    halves: [128, 64, 3, 3],
    five: [128, 128, 5, 5],
    large: [64, 512, 20, 20],
    many: [512, 512, 3, 3],
    wide: [4, 64, 96, 96],
    same: [64, 64, 3, 3],
  })
  const conv = (x: string, w: string | Value, attributes: Record<string, string | number | number[]> = {}) =>
    g.op('Conv', [values[x], typeof w === 'string' ? values[w] : w], { pads: [1, 1, 1, 1], ...attributes })
  const others = [
    conv('thin', 'few'),
    conv('one', 'w'),
    conv('x', 'w', { strides: [2, 2] }),
    conv('x', 'w', { dilations: [2, 2], pads: [2, 2, 2, 2] }),
    conv('x', 'halves', { group: 2 }),
    conv('x', 'five', { pads: [2, 2, 2, 2] }),
    conv('x', g.constant(float32([128, 128, 3, 3], new Float32Array(128 * 128 * 9)))),
    conv('large', 'many'),
    // An axis as long as this makes its matrices dearer than the taps.
    conv('wide', 'same'),
  ]
  const graph = g.builder.finish(others)
  expect(winograd(graph, table)).toBe(graph)
})
