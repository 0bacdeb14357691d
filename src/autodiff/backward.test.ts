import { describe, expect, it } from 'vitest'
import { float32, numbersOf, type Tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import { validate } from '../graph/validate.ts'
import { writeModel } from '../onnx/write.ts'
import { Emitter } from '../ops/emitter.ts'
import { allOps, createTable, table } from '../ops/index.ts'
import type { Op } from '../ops/op.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { backward } from './backward.ts'

const backend = createNodeBackend({ threads: 1 })

function start(records = table): { g: Emitter; input: (name: string, shape?: readonly number[]) => Value } {
  const g = new Emitter(records, new GraphBuilder('test'))
  return { g, input: (name, shape = []) => g.builder.input(name, { dtype: 'float32', shape }) }
}

async function run(g: Emitter, outputs: readonly Value[], feeds: Record<string, Tensor>): Promise<number[][]> {
  // An output must be computed by a node.
  const graph = g.builder.finish(outputs.map((value) => g.op('Identity', [value])))
  validate(graph)
  const session = await backend.createSession(writeModel(graph).model)
  try {
    const results = await session.run(feeds)
    return graph.outputs.map(({ name }) => numbersOf(results[name]!))
  } finally {
    await session.release()
  }
}

describe('backward', () => {
  it('adds up what arrives from several uses of a value', async () => {
    const { g, input } = start()
    const x = input('x')
    // x * x + 3 x + x, by four edges: 2 x + 4
    const loss = g.add(g.add(g.mul(x, x), g.mul(x, 3)), x)
    const slope = backward(g, loss, [x])
    expect(await run(g, slope, { x: float32([], [5]) })).toEqual([[14]])
  })

  it('gives zeros for a parameter that the loss does not use, in its shape', async () => {
    const { g, input } = start()
    const [x, unused] = [input('x'), g.builder.parameter('w', { dtype: 'float32', shape: [2, 3] })]
    const gradients = backward(g, g.mul(x, 2), [unused, x])
    expect(gradients.map(shapeOf)).toEqual([[2, 3], []])
    expect(await run(g, gradients, { x: float32([], [1]), w: float32([2, 3], new Float32Array(6).fill(9)) })).toEqual([
      [0, 0, 0, 0, 0, 0],
      [2],
    ])
  })

  it('gives 1 for the loss itself, and the gradient of a value half way', async () => {
    const { g, input } = start()
    const x = input('x')
    const middle = g.mul(x, 3)
    const loss = g.mul(middle, middle)
    expect(await run(g, backward(g, loss, [loss, middle, x]), { x: float32([], [1]) })).toEqual([[1], [6], [18]])
  })

  it('starts from a seed, which frees the loss to have any shape', async () => {
    const { g, input } = start()
    const [x, seed] = [input('x', [3]), input('seed', [3])]
    const [slope] = backward(g, g.mul(x, x), [x], seed)
    const feeds = { x: float32([3], [1, 2, 3]), seed: float32([3], [1, 0, 10]) }
    expect(await run(g, [slope!], feeds)).toEqual([[2, 0, 60]])
    expect(() => backward(g, g.mul(x, x), [x], input('short', [2]))).toThrow(
      'the seed of a gradient has the shape of the loss, [3], received [2]',
    )
  })

  it('differentiates its own result: second and third derivatives', async () => {
    const { g, input } = start()
    const x = input('x')
    const y = g.mul(g.mul(x, x), g.mul(x, x))
    const derivatives = [y]
    for (let i = 0; i < 4; i++) derivatives.push(backward(g, derivatives.at(-1)!, [x])[0]!)
    expect(await run(g, derivatives, { x: float32([], [2]) })).toEqual([[16], [32], [48], [48], [24]])
  })

  it('refuses a loss that is no scalar, and values without a gradient', () => {
    const { g, input } = start()
    const x = input('x', [3])
    expect(() => backward(g, g.tanh(x), [x])).toThrow('a gradient starts from a scalar loss, received shape [3]')
    const n = g.builder.input('n', { dtype: 'int64', shape: [] })
    expect(() => backward(g, g.sum(x), [n])).toThrow("'n' is int64: only floating-point values have a gradient")
    expect(() => backward(g, n, [x])).toThrow("'n' is int64")
  })

  it('names operator, node and reason where the gradient ends, and only on the way to the loss', () => {
    const none = 'nobody has worked it out'
    const records: Op[] = [...allOps, { ...table.get('', 'Tanh')!, name: 'Riddle', grad: { none } }]
    const { g, input } = start(createTable(records))
    const [x, y] = [input('x'), input('y')]
    const riddle = g.builder.within('head', () => g.op('Riddle', [x]))
    expect(() => backward(g, g.mul(riddle, y), [x])).toThrow(`no gradient through Riddle at 'head/Riddle': ${none}`)
    // y does not reach the loss through it, and what nobody reads does not matter.
    expect(() => backward(g, g.mul(riddle, y), [y])).not.toThrow()
    expect(() => backward(g, g.mul(x, y), [x])).not.toThrow()
  })

  it('passes nothing through integers', async () => {
    const { g, input } = start()
    const x = input('x')
    const steps = g.cast(g.cast(x, 'int64'), 'float32')
    const [slope] = backward(g, g.add(g.mul(steps, 5), x), [x])
    expect(await run(g, [slope!], { x: float32([], [2.5]) })).toEqual([[1]])
  })

  it.each([
    ['shape', (g: Emitter, dy: Value) => g.unsqueeze(dy, [0]), 'float32[1, 3]'],
    ['type', (g: Emitter, dy: Value) => g.cast(dy, 'float64'), 'float64[3]'],
  ])('catches a rule that returns another %s', (_, change, received) => {
    const wrong: Op = { ...table.get('', 'Tanh')!, name: 'Wrong', grad: ({ g, dy }) => [change(g, dy)] }
    const { g, input } = start(createTable([...allOps, wrong]))
    const x = input('x', [3])
    expect(() => backward(g, g.sum(g.op('Wrong', [x])), [x])).toThrow(
      `the gradient rule of Wrong at 'Wrong' gave ${received} for input 0, which is float32[3]`,
    )
  })

  it('says so when a sub-graph reads a value whose gradient would be lost', () => {
    const branch: Op = {
      name: 'Branch',
      since: 1,
      inputs: [1, 1],
      attributes: { body: { kind: 'graph' } },
      infer: ({ input }) => [input(0)],
      grad: ({ dy }) => [dy],
      samples: [],
    }
    const { g, input } = start(createTable([...allOps, branch]))
    const [x, w] = [input('x'), input('w')]
    const inner = new Emitter(table, new GraphBuilder('body'))
    const body = inner.builder.finish([inner.tanh(w)])
    const [y] = g.builder.node({
      op: 'Branch',
      inputs: [x],
      attributes: { body: { kind: 'graph', value: body } },
      outputs: [{ dtype: 'float32', shape: [] }],
    })
    expect(() => backward(g, y!, [w])).toThrow("no gradient through Branch at 'Branch': its sub-graph reads 'w'")
    expect(() => backward(g, y!, [x])).not.toThrow()
  })

  it('names what a rule needs and the node lacks', () => {
    const greedy: Op = { ...table.get('', 'Tanh')!, name: 'Greedy', grad: (c) => [c.input(1)] }
    const { g, input } = start(createTable([...allOps, greedy]))
    const x = input('x')
    expect(() => backward(g, g.op('Greedy', [x]), [x])).toThrow(
      "the gradient of Greedy at 'Greedy' needs input 1, which the node lacks",
    )
  })
})
