import { describe, expect, test } from 'vitest'
import { exportSample, tinyNetwork } from '../../test/sample-bundle.ts'
import { float32 } from '../core/tensor.ts'
import { batchNormalization, dropout, layer, sequential } from '../nn/index.ts'
import { readModel } from '../onnx/read.ts'
import { table } from '../ops/index.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { exportGraph } from './export-graph.ts'

const identity = sequential([layer({ kind: 'nothing', config: {}, apply: (_, [x]) => x! })])
const input = { name: 'x', dtype: 'float32' as const, shape: [3] }

describe('exportGraph', () => {
  test('writes named ports with a symbolic batch, readable node names and no loose ends', async () => {
    const { graph, metadata, producer } = await readModel(exportSample(), { parameters: 'floats' })
    expect(graph.inputs.map(({ name, type }) => ({ name, type }))).toEqual([
      { name: 'pixels', type: { dtype: 'uint8', shape: ['batch', 1, 12, 12] } },
    ])
    expect(graph.outputs.map(({ name, type }) => ({ name, type }))).toEqual([
      { name: 'probabilities', type: { dtype: 'float32', shape: ['batch', 5] } },
    ])
    // Passes may move a node; none is added, and each says which layer it came from.
    expect(graph.nodes.map(({ name }) => name).sort()).toEqual([
      'conv2d/Conv',
      'conv2d/Relu',
      'dense/Gemm',
      'dense/Relu',
      'dense_1/Gemm',
      'dense_1/Softmax',
      'flatten/Flatten',
      'maxPooling2d/MaxPool',
      'rescaling/Cast',
      'rescaling/Mul',
    ])
    expect(graph.parameters.map(({ name }) => name)).toContain('dense_1/bias')
    expect(metadata).toEqual({})
    expect(producer.name).toBe('quern')
  })

  test('a model that changes nothing gets a node of its own', async () => {
    const model = exportGraph({
      model: identity,
      inputs: [input],
      output: 'y',
      parameters: new Map(),
      table,
      name: 'n',
    })
    const session = await createNodeBackend().createSession(model)
    const { y } = await session.run({ x: float32([2, 3], [1, 2, 3, 4, 5, 6]) })
    expect(y!.data).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6))
    await session.release()
  })

  test('layers of training alone leave nothing behind', async () => {
    const net = sequential([dropout({ rate: 0.5 }), batchNormalization()])
    const three = (values: number[]) => float32([3], values)
    const parameters = new Map(
      ['gamma', 'beta', 'movingMean', 'movingVariance', 'extra'].map((name) => [
        `batchNormalization/${name}`,
        three([1, 1, 1]),
      ]),
    )
    const made = exportGraph({ model: net, inputs: [input], output: 'y', parameters, table, name: 'n' })
    const { graph } = await readModel(made)
    expect(graph.inputs).toHaveLength(1)
    expect(graph.nodes.map(({ op }) => op)).not.toContain('Dropout')
  })

  test('says what is missing and which name is taken', () => {
    const options = {
      model: tinyNetwork,
      inputs: [{ name: 'x', dtype: 'uint8' as const, shape: [1, 12, 12] }],
      table,
      name: 'n',
    }
    expect(() => exportGraph({ ...options, output: 'y', parameters: new Map() })).toThrow(
      "parameter 'conv2d/kernel' has no elements to write",
    )
    expect(() => exportGraph({ ...options, output: 'x', parameters: new Map() })).toThrow("cannot be named 'x'")
  })
})
