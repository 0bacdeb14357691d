/** Passes around pools leave values and gradients as they were: each on graphs that it changes, against the runtime. */
import { expect, it } from 'vitest'
import { backward } from '../src/autodiff/backward.ts'
import { createRandom } from '../src/core/random.ts'
import { sizeOf } from '../src/core/shape.ts'
import { numbersOf, type Tensor, tensorFromNumbers } from '../src/core/tensor.ts'
import { GraphBuilder } from '../src/graph/builder.ts'
import { type Graph, shapeOf, type Value } from '../src/graph/graph.ts'
import { validate } from '../src/graph/validate.ts'
import { writeModel } from '../src/onnx/write.ts'
import { Emitter } from '../src/ops/emitter.ts'
import { table } from '../src/ops/index.ts'
import { joinOutputs } from '../src/passes/join-outputs.ts'
import { poolAsPhases } from '../src/passes/pool-as-phases.ts'
import { poolBeforeActivation } from '../src/passes/pool-before-activation.ts'
import { reduceCoveringPool } from '../src/passes/reduce-covering-pool.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'

const backend = createNodeBackend({ threads: 1 })

interface Case {
  readonly x: readonly number[]
  readonly weights: readonly number[]
  readonly conv?: Readonly<Record<string, readonly number[]>>
  readonly pool: Readonly<Record<string, number | readonly number[]>>
  readonly activation?: string
  readonly bias?: boolean
}

/** loss = sum of (pool of activation of conv)^2 */
function forwardGraph({ x, weights, conv = {}, pool, activation = 'Relu', bias = true }: Case): Graph {
  const g = new Emitter(table, new GraphBuilder('case'))
  const input = (name: string, shape: readonly number[]) => g.builder.input(name, { dtype: 'float32', shape })
  const inputs = [input('x', x), input('w', weights), bias ? input('b', [weights[0]!]) : undefined]
  const y = g.op('MaxPool', [g.op(activation, [g.op('Conv', inputs, conv)])], pool)
  return g.builder.finish([g.sum(g.mul(y, y))])
}

function withGradients(graph: Graph): Graph {
  const g = new Emitter(table, GraphBuilder.resume(graph))
  return g.builder.finish([...graph.outputs, ...backward(g, graph.outputs[0]!, graph.inputs)])
}

async function evaluate(graph: Graph): Promise<number[][]> {
  validate(graph)
  const draw = (value: Value): Tensor => {
    const shape = shapeOf(value) as number[]
    const random = createRandom(3).fork(value.name)
    return tensorFromNumbers(
      'float32',
      shape,
      Array.from({ length: sizeOf(shape) }, () => random.uniform() * 2 - 1),
    )
  }
  const session = await backend.createSession(writeModel(graph).model)
  const results = await session.run(Object.fromEntries(graph.inputs.map((value) => [value.name, draw(value)])))
  await session.release()
  return graph.outputs.map((value) => numbersOf(results[value.name]!))
}

async function expectSame(changed: Graph, original: Graph): Promise<void> {
  const [received, expected] = [await evaluate(changed), await evaluate(original)]
  expected.forEach((values, i) => {
    expect(received[i]!.length).toBe(values.length)
    for (const [j, value] of values.entries()) expect(received[i]![j]).toBeCloseTo(value, 4)
  })
}

const opsOf = (graph: Graph) => graph.nodes.map((node) => node.op)
const tiles = { kernel_shape: [2, 2], strides: [2, 2] }
const plain: Case = { x: [2, 1, 8, 8], weights: [3, 1, 3, 3], pool: tiles }
const overlap: Case = { ...plain, pool: { kernel_shape: [3, 3], strides: [2, 2] } }

const phased: readonly Case[] = [
  plain,
  { ...plain, bias: false },
  {
    x: [2, 1, 9, 8],
    weights: [3, 1, 3, 3],
    conv: { pads: [1, 1, 1, 1] },
    pool: { kernel_shape: [3, 2], strides: [3, 2] },
  },
  { x: [1, 2, 7, 7], weights: [2, 2, 2, 2], pool: tiles },
  { x: [2, 2, 11], weights: [3, 2, 3], pool: { kernel_shape: [3], strides: [3] } },
]

phased.forEach((example, i) => {
  it(`the whole chain keeps loss and gradients, case ${i}`, async () => {
    const original = forwardGraph(example)
    const forward = poolAsPhases(poolBeforeActivation(original), table)
    const changed = reduceCoveringPool(joinOutputs(withGradients(forward)))
    expect(opsOf(changed)).not.toContain('MaxPool')
    expect(opsOf(changed)).not.toContain('Resize')
    await expectSame(changed, withGradients(original))
  })
})

it('moves rising activations alone behind the pool', async () => {
  const graph = forwardGraph(plain)
  expect(opsOf(poolBeforeActivation(graph)).slice(0, 3)).toEqual(['Conv', 'MaxPool', 'Relu'])
  await expectSame(poolBeforeActivation(graph), graph)
  const falling = forwardGraph({ ...plain, activation: 'Abs' })
  expect(poolBeforeActivation(falling)).toBe(falling)
})

it('leaves pools that it cannot split into phases', () => {
  const cases: Case[] = [
    overlap,
    { ...plain, x: [1, 4, 8, 8], weights: [2, 4, 3, 3] },
    { ...plain, conv: { strides: [2, 2] } },
    { ...plain, x: [1, 1, 7, 7], pool: { ...tiles, ceil_mode: 1 } },
  ]
  for (const example of cases) {
    const graph = poolBeforeActivation(forwardGraph(example))
    expect(poolAsPhases(graph, table)).toBe(graph)
  }
})

it('computes an overlapping pool and its indices once', async () => {
  const graph = withGradients(forwardGraph(overlap))
  expect(opsOf(graph).filter((op) => op === 'MaxPool')).toHaveLength(2)
  const joined = joinOutputs(graph)
  expect(opsOf(joined).filter((op) => op === 'MaxPool')).toHaveLength(1)
  await expectSame(joined, graph)
})
