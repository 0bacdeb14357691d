/** Runs a layer once on given numbers, with the gradients of a weighted sum of its output. For tests. */
import { backward } from '../src/autodiff/backward.ts'
import { isFloat } from '../src/core/dtype.ts'
import { type StaticShape, sizeOf } from '../src/core/shape.ts'
import { float32, type Tensor } from '../src/core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../src/graph/graph.ts'
import { validate } from '../src/graph/validate.ts'
import type { Layer } from '../src/nn/layer.ts'
import { trace } from '../src/nn/trace.ts'
import { writeModel } from '../src/onnx/write.ts'
import type { Emitter } from '../src/ops/emitter.ts'
import { table } from '../src/ops/index.ts'
import type { Backend } from '../src/runtime/backend.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'

const backend: Backend = createNodeBackend({ threads: 1 })

/** sin of 12.9898 (salt + 1) + 78.233 (i + 1), times scale, as float32: the numbers that test/golden/golden_values.py draws. */
export function noise(salt: number, shape: StaticShape, scale = 1): Tensor<Float32Array> {
  const values = Float32Array.from(
    { length: sizeOf(shape) },
    (_, i) => Math.sin(12.9898 * (salt + 1) + 78.233 * (i + 1)) * scale,
  )
  return float32(shape, values)
}

export interface LayerRun {
  readonly y: Tensor
  /** with respect to the floating-point inputs, in their order */
  readonly inputGradients: readonly Tensor[]
  /** of sum(noise(90) * y), by the parameter's path */
  readonly gradients: ReadonlyMap<string, Tensor>
  /** new values of states, by path */
  readonly states: ReadonlyMap<string, Tensor>
}

export interface LayerRunOptions {
  readonly inputs: readonly Tensor[]
  /** elements of a parameter or state, by path and shape */
  readonly parameter: (path: string, shape: StaticShape) => Tensor
  readonly training?: boolean
  /** elements of a dropout mask; default 1 */
  readonly mask?: number
}

/** Traces the layer on the shapes of the inputs and runs the graph with its gradient. */
export async function runLayer(layer: Layer, options: LayerRunOptions): Promise<LayerRun> {
  const { inputs, parameter, training = true, mask = 1 } = options
  const named = inputs.map((tensor, i) => ({ name: `x${i}`, type: tensor }))
  const traced = trace(layer, named, { table, training })
  const { g, parameters, output } = traced
  const feeds: Record<string, Tensor> = Object.fromEntries(named.map(({ name, type }) => [name, type]))
  for (const { path, spec } of parameters) feeds[path] = parameter(path, spec.shape)
  for (const { value } of traced.draws) {
    const shape = shapeOf(value) as StaticShape
    feeds[value.name] = float32(shape, new Float32Array(sizeOf(shape)).fill(mask))
  }
  const loss = g.sum(g.mul(output, g.constant(noise(90, shapeOf(output) as StaticShape))))
  const trainable = parameters.filter((p) => p.trainable)
  const moved = traced.inputs.filter((value) => isFloat(dtypeOf(value)))
  const wanted = [...moved, ...trainable.map((p) => p.value)]
  const results = await runGraph(g, [output, ...traced.updates.values(), ...backward(g, loss, wanted)], feeds)
  const [y, ...rest] = results
  const states = [...traced.updates.keys()]
  const gradients = rest.slice(states.length)
  return {
    y: y!,
    states: new Map(states.map((path, i) => [path, rest[i]!])),
    inputGradients: gradients.slice(0, moved.length),
    gradients: new Map(trainable.map(({ path }, i) => [path, gradients[moved.length + i]!])),
  }
}

/** Values of a graph in writing, in the order asked for. */
export async function runGraph(
  g: Emitter,
  outputs: readonly Value[],
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Tensor[]> {
  // An Identity behind each: a gradient may be an input or a constant itself, which a graph cannot return.
  const returned = outputs.map((value) => g.op('Identity', [value]))
  const graph = g.builder.finish(returned)
  validate(graph)
  const session = await backend.createSession(writeModel(graph).model)
  try {
    const names = [...graph.inputs, ...graph.parameters].map(({ name }) => name)
    const results = await session.run(Object.fromEntries(names.map((name) => [name, feeds[name]!])))
    return returned.map(({ name }) => results[name]!)
  } finally {
    await session.release()
  }
}
