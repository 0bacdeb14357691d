/** Passes that spare memory: nothing is kept that need not be, and what is computed stays the same. */
import { describe, expect, it } from 'vitest'
import { backward } from '../src/autodiff/backward.ts'
import { sizeOf } from '../src/core/shape.ts'
import { float32, int64, numbersOf, type Tensor } from '../src/core/tensor.ts'
import { shapeOf, type Value } from '../src/graph/graph.ts'
import { writeModel } from '../src/onnx/write.ts'
import { table } from '../src/ops/index.ts'
import { clearedOutputs } from '../src/passes/cleared-outputs.ts'
import { lendMemory } from '../src/passes/lend-memory.ts'
import { pickedGradient } from '../src/passes/picked-gradient.ts'
import { transposeApart } from '../src/passes/transpose-apart.ts'
import { zerosAtRunTime } from '../src/passes/zeros-at-run-time.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { operators, run, start, unchanged } from './run-graph.ts'

it('turns the wide operand of a large product where the result is larger still', () => {
  const { g, values } = start({ x: [16, 20_000], y: [16, 17] })
  const large = g.op('Gemm', [values.x, values.y], { transA: 1 })
  expect(shapeOf(transposeApart(g.builder.finish([large])).nodes[1]!.outputs[0]!)).toEqual([1, 20_000, 16])
})

it.each([
  ['one class of a row', [3, 2, 1], -1],
  ['several, one of them twice', [3, 2, 4], 2],
  ['along an axis in the middle', [3, 4, 5], 1],
] as const)(
  'adds what was read to the probabilities, in the gradient of log probabilities: %s',
  async (_, shape, axis) => {
    const { g, values } = start({ x: [3, 2, 5] })
    const logP = g.op('LogSoftmax', [values.x], { axis })
    const numbers = Array.from({ length: sizeOf(shape) }, (_, i) => (i * 3) % (axis === 1 ? 2 : 5))
    const read = g.op('GatherElements', [logP, g.constant(int64(shape, numbers))], { axis })
    const [dx] = backward(g, g.sum(g.mul(read, g.op('Sin', [read]))), [values.x!])
    const after = await unchanged(g.builder.finish([dx!]), (graph) => pickedGradient(graph, table))
    expect(after.nodes.at(-1)!.op).toBe('ScatterElements')
    expect(operators(after)).not.toContain('Sub')
    expect(operators(after)).not.toContain('Expand ScatterElements')
  },
)

it('computes large probabilities from the scores, once the loss is there', async () => {
  const { g, values } = start({ x: [512, 520] })
  const index = g.constant(int64([512, 1], [...Array(512).keys()]))
  const read = g.op('GatherElements', [g.logSoftmax(values.x!, 1), index], { axis: 1 })
  const loss = g.sum(g.mul(read, read))
  const graph = g.builder.finish([loss, ...backward(g, loss, [values.x!])])
  const after = pickedGradient(graph, table)
  expect(operators(after)).not.toContain('Exp ')
  // what the probabilities are multiplied by waits for what is read of the log probabilities
  const [softmax, factor] = after.nodes.at(-2)!.inputs.map((value) => after.nodes.find((n) => n.outputs[0] === value)!)
  expect([softmax!.op, softmax!.inputs[0], factor!.op]).toEqual(['Softmax', values.x, 'Reshape'])
  const [expected, received] = [await run(graph), await run(after)].map((all) => numbersOf(all[1]!))
  expect(expected!.reduce((most, v, i) => Math.max(most, Math.abs(v - received![i]!)), 0)).toBeLessThan(1e-5)
})

it('leaves the gradient of log probabilities alone where what was read is fewer rows, or not all of what is summed', () => {
  const { g, values } = start({ x: [4, 5] })
  const logP = g.op('LogSoftmax', [values.x], { axis: 1 })
  const read = g.op('GatherElements', [logP, g.constant(int64([2, 1], [0, 3]))], { axis: 1 })
  const [ofRead] = backward(g, g.sum(g.mul(read, read)), [values.x!])
  const [ofBoth] = backward(g, g.add(g.sum(read), g.sum(g.mul(logP, logP))), [values.x!])
  const graph = g.builder.finish([ofRead!, ofBoth!])
  expect(pickedGradient(graph, table)).toBe(graph)
})

/** Gradients of a table of 1024 rows, large, and of one of 300, small, that a few rows were read of. */
function gradientsOfTables() {
  const { g, values } = start({ table: [1024, 256], few: [300, 8], dy: [6, 256] })
  const index = g.constant(int64([6], [0, 5, 5, 1023, -1, 7]))
  const loss = g.add(
    g.sum(g.mul(g.op('Gather', [values.table, index]), values.dy!)),
    g.sum(g.op('Gather', [values.few, g.constant(int64([2], [1, 299]))])),
  )
  return g.builder.finish(backward(g, loss, [values.table!, values.few!]))
}

const bytesOf = ({ data }: Tensor) => Buffer.from((data as Float32Array).buffer)

it('makes large zeros of a scatter when it runs, whatever is added to them, and keeps small ones', async () => {
  const graph = gradientsOfTables()
  const after = zerosAtRunTime(graph, table)
  const [expected, received] = [await run(graph), await run(after)]
  for (const [i, tensor] of expected.entries()) expect(bytesOf(received[i]!).equals(bytesOf(tensor))).toBe(true)
  const starts = after.nodes.flatMap(({ op, inputs }) => (op === 'ScatterElements' ? [inputs[0]] : []))
  const zeros = starts.map((value) => after.nodes.find(({ outputs }) => outputs[0] === value)!)
  expect(zeros.map(({ inputs: [zero] }) => [shapeOf(zero!).length, zero!.constant !== undefined])).toEqual([
    [0, true],
    [1, false],
  ])
})

it('adds to a large output in its own memory, cleared before', async () => {
  const graph = gradientsOfTables()
  const { graph: after, zeros } = clearedOutputs(graph, new Set(graph.outputs))
  const [large, small] = graph.outputs as [Value, Value]
  expect([...zeros.keys()]).toEqual([large])
  expect(after.inputs.map(({ name }) => name)).toEqual(['table', 'few', 'dy', `${large.name}:zeros`])
  const session = await createNodeBackend({ threads: 1 }).createSession(writeModel(after).model)
  const filled = (shape: number[], value: number) => float32(shape, new Float32Array(sizeOf(shape)).fill(value))
  const feeds = { dy: filled([6, 256], 2), table: filled([1024, 256], 1), few: filled([300, 8], 1) }
  const used = Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputs.some((i) => i.name === name)))
  const gradient = filled([1024, 256], 0)
  const bound = session.bind(
    { ...used, [`${large.name}:zeros`]: gradient },
    { [large.name]: gradient, [small.name]: filled([300, 8], 7) },
  )
  // Twice: what the first run left is cleared, not added to.
  for (let i = 0; i < 2; i++) {
    gradient.data.fill(0)
    await bound.run()
    const rows = Array.from({ length: 1024 }, (_, row) => gradient.data[row * 256 + (row % 256)])
    expect(rows.flatMap((value, row) => (value === 0 ? [] : [[row, value]]))).toEqual([
      [0, 2],
      [5, 4],
      [7, 2],
      [1023, 4],
    ])
  }
  await session.release()
})

describe('lendMemory', () => {
  const wide = [512, 512] as const

  /**
   * Two products of a value `kept` that is there for long: `early` is a result of its own, `late` needs `early` when `waits`. Three of one size are there at once.
   */
  function twoResults(waits: boolean) {
    const { g, values } = start({ x: [...wide], y: [...wide] })
    const kept = g.add(values.x!, values.y!)
    const other = g.mul(values.x!, values.y!)
    const early = g.mul(kept, other)
    const chain = g.sub(early, values.y!)
    const late = g.add(waits ? chain : g.sub(values.y!, values.x!), values.x!)
    return { graph: g.builder.finish([early, late]), kept, early, late }
  }

  it('puts a value where a result will be that is computed when nobody reads the value any more', async () => {
    const { graph, kept, late } = twoResults(true)
    const { graph: lent, loans } = lendMemory(graph, [late])
    expect(loans.get(kept)).toEqual({ of: late, byteOffset: 0 })
    expect(lent.outputs).toEqual([...graph.outputs, ...loans.keys()])
    expect(lent.nodes).toBe(graph.nodes)
    // one memory for both, as a step binds them
    const { model } = writeModel(lent)
    const session = await createNodeBackend().createSession(model, { inPlace: true, memoryPattern: false })
    const [x, y] = [0.5, 3].map((scale) =>
      float32(
        wide,
        Float32Array.from({ length: 512 * 512 }, (_, i) => (i % 97) * scale),
      ),
    )
    const [first, second] = [new Float32Array(512 * 512), new Float32Array(512 * 512)]
    const results = Object.fromEntries(
      lent.outputs.map((value, i) => [value.name, float32(wide, i === 0 ? first : second)]),
    )
    const bound = session.bind({ x: x!, y: y! }, results)
    await bound.run()
    await bound.run()
    await session.release()
    const at = (i: number) => [x!.data[i]!, y!.data[i]!] as const
    const product = (i: number) => Math.fround(Math.fround(at(i)[0] + at(i)[1]) * Math.fround(at(i)[0] * at(i)[1]))
    for (const i of [0, 1, 96, 1000, 512 * 512 - 1]) {
      expect(first[i]).toBe(product(i))
      expect(second[i]).toBe(Math.fround(Math.fround(product(i) - at(i)[1]) + at(i)[0]))
    }
  })

  it('leaves a value where it is when the result may be computed before it is read', () => {
    const { graph, late } = twoResults(false)
    expect(lendMemory(graph, [late]).loans.size).toBe(0)
  })

  it('leaves values alone that a view shows to a node that may come later', () => {
    const { g, values } = start({ x: [...wide], y: [...wide] })
    const kept = g.add(values.x!, values.y!)
    const turned = g.op('Transpose', [kept], { perm: [1, 0] })
    const early = g.sub(kept, g.mul(values.x!, values.y!))
    const late = g.add(g.mul(early, g.add(turned, early)), values.x!)
    const side = g.mul(turned, values.y!)
    const graph = g.builder.finish([late, side])
    expect(lendMemory(graph, [late]).loans.has(kept)).toBe(false)
  })

  it('has no room in smaller results, and none for values of unknown size, small ones, whole numbers and those of sub-graphs', () => {
    const { graph, early, kept } = twoResults(true)
    expect(lendMemory(graph, []).loans.size).toBe(0)
    expect(lendMemory(graph, [early]).loans.has(kept)).toBe(false)
    const { g, values } = start({ x: [8, 8], y: [8, 8] })
    const late = g.add(g.mul(g.add(values.x!, values.y!), g.mul(values.x!, values.y!)), values.x!)
    const small = g.builder.finish([late])
    expect(lendMemory(small, [late])).toEqual({ graph: small, loans: new Map() })
  })
})
