/** Adapters on weights that a file keeps in int8 and unpacks by Cast, Sub and Mul, beside those on the same numbers as float32. */
import { describe, expect, test } from 'vitest'
import { noise, runLayer } from '../../test/run-layer.ts'
import type { StaticShape } from '../core/shape.ts'
import { float32, type Tensor, tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { importedModel } from '../nn/index.ts'
import { readModel } from '../onnx/read.ts'
import { writeModel } from '../onnx/write.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import { adaptGraph } from './adapt-graph.ts'
import { adaptedModel } from './adapted-model.ts'
import { adapterFrom, mergeAdapter } from './adapter.ts'
import { lora } from './lora.ts'
import { readPeft, writePeft } from './peft.ts'

const [inputs, outputs] = [8, 6]
const whole = Int8Array.from({ length: inputs * outputs }, (_, i) => ((i * 37) % 255) - 127)
const name = 'query.weight_quantized'
const scales = (shape: StaticShape) =>
  float32(
    shape,
    noise(2, shape).data.map((x) => 0.01 + 0.005 * x),
  )
const int8 = (shape: StaticShape, data: Int8Array = whole): Tensor => tensor('int8', shape, data)

interface Form {
  readonly write: (g: Emitter) => Value
  /** element of the weight `[in, out]` */
  readonly at: (i: number, o: number) => number
  readonly isLookup?: boolean
}
const one = scales([1]).data[0]!
const byOutput = scales([outputs]).data
const byBlock = scales([2, outputs]).data
const w = (i: number, o: number) => whole[i * outputs + o]!

const forms: Readonly<Record<string, Form>> = {
  'Cast and Mul, one scale': {
    write: (g) => g.mul(g.cast(g.constant(int8([inputs, outputs]), name), 'float32'), g.constant(scales([1]), 'scale')),
    at: (i, o) => w(i, o) * one,
  },
  'a scale for each output, given first': {
    write: (g) =>
      g.mul(g.constant(scales([outputs]), 'scale'), g.cast(g.constant(int8([inputs, outputs]), name), 'float32')),
    at: (i, o) => w(i, o) * byOutput[o]!,
  },
  'Cast, Sub of a zero point in int8, Mul': {
    write: (g) => {
      const zero = g.cast(g.constant(int8([1], Int8Array.of(3)), 'zero'), 'float32')
      return g.mul(
        g.sub(g.cast(g.constant(int8([inputs, outputs]), name), 'float32'), zero),
        g.constant(scales([outputs]), 'scale'),
      )
    },
    at: (i, o) => (w(i, o) - 3) * byOutput[o]!,
  },
  'turned between Cast and Mul': {
    write: (g) => {
      const turned = g.transpose(g.cast(g.constant(int8([outputs, inputs]), name), 'float32'), [1, 0])
      return g.mul(turned, g.constant(scales([outputs]), 'scale'))
    },
    at: (i, o) => whole[o * inputs + i]! * byOutput[o]!,
  },
  'blocks of inputs, through Reshape': {
    write: (g) => {
      const blocks = g.reshape(g.cast(g.constant(int8([inputs, outputs]), name), 'float32'), [2, inputs / 2, outputs])
      const scaled = g.mul(blocks, g.unsqueeze(g.constant(scales([2, outputs]), 'scale'), [1]))
      return g.reshape(scaled, [inputs, outputs])
    },
    at: (i, o) => w(i, o) * byBlock[Math.floor(i / (inputs / 2)) * outputs + o]!,
  },
}

function graphOf(write: (g: Emitter) => Value): Graph {
  const g = new Emitter(table, new GraphBuilder('base'))
  const x = g.builder.input('x', { dtype: 'float32', shape: ['batch', 3, inputs] })
  return g.builder.finish([g.tanh(g.matMul(x, write(g)))])
}

function expectClose(found: Tensor, expected: Tensor): void {
  const [a, b] = [found.data as Float32Array, expected.data as Float32Array]
  expect(a.length).toBe(b.length)
  const most = Math.max(1e-3, ...b.map(Math.abs))
  for (const [i, y] of b.entries())
    if (!(Math.abs(a[i]! - y) <= 1e-5 * most)) expect.fail(`[${i}]: ${a[i]} against ${y}`)
}

describe.each(Object.entries(forms))('%s', (_, { write, at }) => {
  const packed = async () => (await readModel(writeModel(graphOf(write)).model)).graph
  const plain = graphOf((g) =>
    g.constant(
      float32(
        [inputs, outputs],
        Float32Array.from({ length: inputs * outputs }, (_, i) => at(Math.floor(i / outputs), i % outputs)),
      ),
      'query.weight',
    ),
  )

  test.each([false, true])(
    'answers and gradients are those of the same numbers; decomposed: %s',
    async (decomposed) => {
      const method = lora({ rank: 2, targets: 'query', decomposed })
      const parameter = (path: string, shape: StaticShape) => noise(path.endsWith('_A') ? 5 : 6, shape, 0.3)
      const run = (graph: Graph) =>
        runLayer(adaptedModel(importedModel(graph, { train: 'none' }), { adapter: method }), {
          inputs: [noise(100, [2, 3, inputs])],
          parameter: (path, shape) =>
            path.endsWith('_magnitude')
              ? float32(
                  shape,
                  noise(7, shape).data.map((m) => m + 2),
                )
              : parameter(path, shape),
        })
      const [own, expected] = [await run(await packed()), await run(plain)]
      expectClose(own.y, expected.y)
      const paths = [...own.gradients.keys()]
      expect(paths.map((path) => path.replace('_quantized', ''))).toEqual([...expected.gradients.keys()])
      for (const path of paths)
        expectClose(own.gradients.get(path)!, expected.gradients.get(path.replace('_quantized', ''))!)
      expectClose(own.inputGradients[0]!, expected.inputGradients[0]!)
    },
  )

  test('lengths, files and what cannot be merged', async () => {
    const graph = await packed()
    const method = lora({ rank: 2, targets: 'query', decomposed: true })
    const [own, expected] = [graph, plain].map((each) => adaptGraph(each, method).parameters)
    const lengthsIn = (parameters: typeof own) =>
      (parameters!.at(-1)!.spec.initializer as { elements: Float32Array }).elements
    expectClose(float32([outputs], lengthsIn(own)), float32([outputs], lengthsIn(expected)))
    const numbers = new Map(own!.map(({ path, spec }) => [path, noise(4, spec.shape as StaticShape)]))
    const adapter = await adapterFrom(graph, method, numbers)
    expect((await readPeft(graph, writePeft(graph, adapter))).parameters).toEqual(numbers)
    await expect(mergeAdapter(graph, adapter)).rejects.toThrow(
      /'query.weight_quantized' cannot be merged: the weight is int8/,
    )
    // Another scale is another base.
    const moved = graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map((value) =>
        value?.name === 'scale'
          ? { ...value, constant: float32(value.constant!.shape, new Float32Array(value.constant!.data.length)) }
          : value,
      ),
    }))
    await expect(readPeft({ ...graph, nodes: moved }, writePeft(graph, adapter))).rejects.toThrow(
      'made for another base',
    )
  })
})

test('arithmetic on what flows through the model is no weight', () => {
  const g = new Emitter(table, new GraphBuilder('base'))
  const x = g.builder.input('x', { dtype: 'float32', shape: ['batch', inputs] })
  const ids = g.builder.input('ids', { dtype: 'int64', shape: [inputs, outputs] })
  const scaled = g.mul(g.cast(ids, 'float32'), g.constant(scales([outputs]), 'scale'))
  const graph = g.builder.finish([g.matMul(x, scaled)])
  expect(() => adaptGraph(graph, lora())).toThrow('no frozen weights of products or convolutions')
})
