/** Runs graphs of a test on numbers that are the same each time, before and after a pass. */
import { expect } from 'vitest'
import { createRandom } from '../src/core/random.ts'
import { sizeOf } from '../src/core/shape.ts'
import { float32, numbersOf, type Tensor } from '../src/core/tensor.ts'
import { GraphBuilder } from '../src/graph/builder.ts'
import { type Graph, shapeOf, type Value } from '../src/graph/graph.ts'
import { validate } from '../src/graph/validate.ts'
import { writeModel } from '../src/onnx/write.ts'
import { Emitter } from '../src/ops/emitter.ts'
import { table } from '../src/ops/index.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'

const backend = createNodeBackend({ threads: 1 })

/** An emitter, and inputs of float32 by name. */
export function start(shapes: Record<string, readonly number[]>): { g: Emitter; values: Record<string, Value> } {
  const g = new Emitter(table, new GraphBuilder('test'))
  const values = Object.entries(shapes).map(([name, shape]) => [
    name,
    g.builder.input(name, { dtype: 'float32', shape }),
  ])
  return { g, values: Object.fromEntries(values) }
}

/** The outputs, for normal inputs. */
export async function run(graph: Graph): Promise<Tensor[]> {
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
export async function unchanged(graph: Graph, pass: (graph: Graph) => Graph): Promise<Graph> {
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
export function operators(graph: Graph): string {
  return graph.nodes.map((node) => node.op).join(' ')
}
