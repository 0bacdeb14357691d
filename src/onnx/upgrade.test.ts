/** Old forms of operators: the runtime must compute the same from the old file and from the upgraded one. */
import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { float32, int64, type Tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Attributes, Value } from '../graph/graph.ts'
import { readModel } from './read.ts'
import { writeModel } from './write.ts'

interface Case {
  readonly op: string
  readonly opset: number
  readonly shape: readonly number[]
  readonly attributes?: Attributes
  readonly more?: readonly Tensor[]
  readonly outputs?: number
  /** operators after the upgrade */
  readonly becomes?: readonly string[]
}

const ints = (...value: number[]) => ({ kind: 'ints', value }) as const
const int = (value: number) => ({ kind: 'int', value }) as const
const float = (value: number) => ({ kind: 'float', value }) as const
const floats = (...value: number[]) => ({ kind: 'floats', value }) as const
const text = (value: string) => ({ kind: 'string', value }) as const
const flattened = ['Flatten', 'Softmax', 'Shape', 'Reshape']

const cases: readonly Case[] = [
  { op: 'ReduceSum', opset: 11, shape: [2, 3, 4], attributes: { axes: ints(-1, 0), keepdims: int(0) } },
  { op: 'ReduceSum', opset: 11, shape: [2, 3] },
  { op: 'ReduceMean', opset: 13, shape: [2, 3, 4], attributes: { axes: ints(1) } },
  { op: 'ReduceL2', opset: 11, shape: [2, 3], attributes: { axes: ints(1) } },
  { op: 'Squeeze', opset: 11, shape: [1, 3, 1], attributes: { axes: ints(0) } },
  { op: 'Unsqueeze', opset: 11, shape: [2, 3], attributes: { axes: ints(0, 2) } },
  { op: 'Clip', opset: 9, shape: [2, 3], attributes: { max: float(3) } },
  { op: 'Clip', opset: 9, shape: [2, 3], attributes: { min: float(1), max: float(3) } },
  { op: 'Slice', opset: 9, shape: [4, 5], attributes: { starts: ints(1, 0), ends: ints(-1, Number.MAX_SAFE_INTEGER) } },
  { op: 'Slice', opset: 9, shape: [4, 5], attributes: { starts: ints(1), ends: ints(4), axes: ints(1) } },
  { op: 'Pad', opset: 9, shape: [2, 2], attributes: { pads: ints(0, 1, 1, 0), value: float(7) } },
  { op: 'Pad', opset: 2, shape: [3, 3], attributes: { pads: ints(1, 1, 1, 1), mode: text('reflect') } },
  { op: 'TopK', opset: 9, shape: [2, 4], attributes: { k: int(2) }, outputs: 2 },
  { op: 'Split', opset: 11, shape: [4, 2], attributes: { split: ints(1, 3) }, outputs: 2 },
  { op: 'Split', opset: 13, shape: [4, 2], outputs: 2 },
  { op: 'Dropout', opset: 7, shape: [2, 3], attributes: { ratio: float(0.5) } },
  { op: 'Softmax', opset: 9, shape: [2, 3, 4], becomes: flattened },
  { op: 'Softmax', opset: 11, shape: [2, 3], becomes: ['Softmax'] },
  { op: 'Softmax', opset: 11, shape: [2, 3, 4], attributes: { axis: int(-1) }, becomes: ['Softmax'] },
  { op: 'LogSoftmax', opset: 11, shape: [2, 3, 4], attributes: { axis: int(0) } },
  { op: 'Hardmax', opset: 11, shape: [2, 3, 4], attributes: { axis: int(1) } },
  { op: 'Upsample', opset: 7, shape: [1, 1, 2, 3], attributes: { scales: floats(1, 1, 2, 2) }, becomes: ['Resize'] },
  {
    op: 'Upsample',
    opset: 9,
    shape: [1, 1, 2, 3],
    attributes: { mode: text('linear') },
    more: [float32([4], [1, 1, 2, 3])],
    becomes: ['Resize'],
  },
  { op: 'Resize', opset: 10, shape: [1, 1, 2, 3], more: [float32([4], [1, 1, 1.5, 2])] },
  { op: 'Scatter', opset: 9, shape: [3], more: [int64([1], [2]), float32([1], [9])], becomes: ['ScatterElements'] },
  {
    op: 'BatchNormalization',
    opset: 7,
    shape: [1, 2, 3],
    attributes: { spatial: int(1) },
    more: [
      [1, 2],
      [3, 4],
      [0, 1],
      [1, 2],
    ].map((values) => float32([2], values)),
  },
  { op: 'GridSample', opset: 16, shape: [1, 1, 2, 2], more: [float32([1, 1, 1, 2], [0.2, -0.3])] },
  {
    op: 'RoiAlign',
    opset: 10,
    shape: [1, 1, 4, 4],
    attributes: { output_height: int(2), output_width: int(2) },
    more: [float32([1, 4], [0, 0, 3, 3]), int64([1], [0])],
  },
  { op: 'DFT', opset: 17, shape: [1, 4, 1], attributes: { axis: int(1) } },
]

function oldModel({ op, opset, shape, attributes = {}, more = [], outputs = 1 }: Case): Uint8Array {
  const b = new GraphBuilder('old')
  const x = b.input('x', { dtype: 'float32', shape })
  const inputs = [x, ...more.map((value) => b.constant(value))]
  const unknown = Array.from({ length: outputs }, () => ({ dtype: 'float32' as const, shape: undefined }))
  const values = b.node({ op, inputs, attributes, outputs: unknown }) as Value[]
  const graph = b.finish(values.slice(0, 1))
  return writeModel(graph, { opsets: { '': opset } }).model
}

async function run(model: Uint8Array, shape: readonly number[]) {
  const session = await ort.InferenceSession.create(model, { logSeverityLevel: 4 })
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7) % 11) / 2 - 1)
  const result = await session.run({ x: new ort.Tensor('float32', data, shape) })
  await session.release()
  return Object.values(result).map(({ dims, data }) => ({ dims, data: Array.from(data as Float32Array) }))
}

describe('upgrades', () => {
  it.each(cases)('$op of opset $opset $attributes', async (old) => {
    const bytes = oldModel(old)
    const { graph, opsets, fileOpset } = await readModel(bytes)
    expect(fileOpset).toBe(old.opset)
    expect(opsets).toEqual({ '': 20 })
    if (old.becomes) expect(graph.nodes.map((node) => node.op)).toEqual(old.becomes)
    // The runtime refuses some forms that are older than its own first opset (7): then only the new one is run.
    const before = await run(bytes, old.shape).catch((error) => (old.opset < 7 ? undefined : Promise.reject(error)))
    const after = await run(writeModel(graph).model, old.shape)
    if (before) expect(after).toEqual(before)
  })

  it.each([
    ['Cast', 5, { to: text('FLOAT') }, "operator Cast of opset 5 cannot be brought to its present form at node 'Cast'"],
    ['Dropout', 6, { is_test: int(0) }, 'written for training'],
    ['Scan', 8, {}, 'lengths of their own'],
  ] as const)('says why %s of opset %i has no present form', async (op, opset, attributes, message) => {
    const bytes = oldModel({ op, opset, attributes, shape: [2] })
    await expect(readModel(bytes)).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining(message),
    })
    const { graph, opsets } = await readModel(bytes, { upgrade: false })
    expect(graph.nodes.map((node) => node.op)).toEqual([op])
    expect(opsets).toEqual({ '': opset })
  })

  it('a normalisation of five outputs, as before opset 14, is one in training mode', async () => {
    const more = [float32([2], [1, 2]), float32([2], [0.5, 0]), float32([2], [3, 3]), float32([2], [1, 2])]
    const bytes = oldModel({ op: 'BatchNormalization', opset: 9, shape: [4, 2], more, outputs: 5 })
    const { graph } = await readModel(bytes)
    expect(graph.nodes.map(({ outputs, attributes }) => [outputs.length, attributes])).toEqual([
      [3, { training_mode: int(1) }],
    ])
    const [before, after] = [await run(bytes, [4, 2]), await run(writeModel(graph).model, [4, 2])]
    // y: of each channel the mean is the shift.
    expect(after[0]).toEqual(before[0])
    const [first, second] = [0, 1].map((k) => after[0]!.data.filter((_, i) => i % 2 === k).reduce((a, b) => a + b) / 4)
    expect([first, second]).toEqual([expect.closeTo(0.5, 5), expect.closeTo(0, 5)])
  })

  it('broadcasts from an axis as before opset 7', async () => {
    const more = [float32([3], [1, 2, 3])]
    const bytes = oldModel({
      op: 'Mul',
      opset: 6,
      shape: [2, 3, 4],
      attributes: { broadcast: int(1), axis: int(1) },
      more,
    })
    const { graph } = await readModel(bytes)
    expect(graph.nodes.map((node) => node.op)).toEqual(['Unsqueeze', 'Mul'])
    expect((await run(writeModel(graph).model, [2, 3, 4]))[0]?.dims).toEqual([2, 3, 4])
  })

  it('scans each example of a batch by itself, as before opset 9', async () => {
    const b = new GraphBuilder('old')
    const x = b.input('x', { dtype: 'float32', shape: [2, 3, 2] })
    const factor = b.constant(float32([2], [2, -1]))
    const inner = new GraphBuilder('body', b)
    const one = { dtype: 'float32' as const, shape: [2] }
    const [state, element] = [inner.input('state', one), inner.input('element', one)]
    const [product] = inner.node({ op: 'Mul', inputs: [element, factor], attributes: {}, outputs: [one] }) as [Value]
    const [sum] = inner.node({ op: 'Add', inputs: [state, product], attributes: {}, outputs: [one] }) as [Value]
    const [running] = inner.node({ op: 'Identity', inputs: [sum], attributes: {}, outputs: [one] }) as [Value]
    const body = { kind: 'graph', value: inner.finish([sum, running]) } as const
    const unknown = { dtype: 'float32' as const, shape: undefined }
    const outputs = b.node({
      op: 'Scan',
      inputs: [undefined, b.constant(float32([2, 2], [1, 2, 3, 4])), x],
      attributes: { body, num_scan_inputs: int(1), directions: ints(1) },
      outputs: [unknown, unknown],
    }) as Value[]
    const bytes = writeModel(b.finish(outputs), { opsets: { '': 8 } }).model
    const { graph } = await readModel(bytes)
    expect(graph.nodes.map(({ op, attributes }) => [op, attributes.num_scan_inputs])).toEqual([['Scan', int(2)]])
    const after = await run(writeModel(graph).model, [2, 3, 2])
    expect(after.map(({ dims }) => dims)).toEqual([
      [2, 2],
      [2, 3, 2],
    ])
    expect(after).toEqual(await run(bytes, [2, 3, 2]))
    expect(after[0]!.data.every((value, i) => value !== [1, 2, 3, 4][i])).toBe(true)
  })

  it('repeats the scale of a group for its channels, as since opset 21', async () => {
    const more = [float32([2], [1, 2]), float32([2], [0.5, -1])]
    const bytes = oldModel({
      op: 'GroupNormalization',
      opset: 18,
      shape: [1, 4, 3],
      attributes: { num_groups: int(2) },
      more,
    })
    const { graph, opsets } = await readModel(bytes)
    expect(opsets).toEqual({ '': 21 })
    const [before] = await run(bytes, [1, 4, 3])
    const [after] = await run(writeModel(graph).model, [1, 4, 3])
    expect(after?.dims).toEqual([1, 4, 3])
    const now = after?.data ?? []
    for (const [i, value] of (before?.data ?? []).entries()) expect(now[i]).toBeCloseTo(value, 5)
    expect(now).toHaveLength(12)
  })
})
