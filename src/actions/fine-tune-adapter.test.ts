/** Adapters that `fineTune` trains: beside a new head, alone, and what comes back as data; and options that it does not know. */
import { beforeAll, expect, it } from 'vitest'
import { clouds, drained, predictions, sidesOf, trainedOn } from '../../test/clouds.ts'
import { noise } from '../../test/run-layer.ts'
import { lora, mergeAdapter, readPeft, writePeft } from '../adapters/index.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { readModel } from '../onnx/read.ts'
import { writeModel } from '../onnx/write.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'

const data = clouds(400)
const sides = sidesOf(data)
const quick = { epochs: 10, optimizer: { name: 'adam', learningRate: 0.02 } } as const
let onnx: Uint8Array
beforeAll(async () => {
  onnx = await trainedOn(data)
})

it('trains an adapter beside the head, and gives it as data for the file that it was made for', async () => {
  const adapter = lora({ rank: 2, alpha: 4 })
  const { events, result } = await drained(onnx, { ...sides, ...quick, adapter })
  expect(events[0]).toMatchObject({ trained: 0 })
  const [a, b, ...rest] = [...result.parameters.keys()]
  expect([a, b]).toEqual(['base/dense/kernel/lora_A', 'base/dense/kernel/lora_B'])
  expect(rest).toEqual(['head/output/kernel', 'head/output/bias'])
  const right = (await predictions(result.onnx, sides.x)).filter((label, i) => label === sides.y.data[i])
  expect(right.length / 400).toBeGreaterThan(0.97)
  expect(result.difference).toBeLessThan(1e-4)
  // The file has one more product, the head that was replaced: it has no adapter.
  const { graph } = await readModel(onnx)
  const merged = await mergeAdapter(graph, result.adapter!)
  const weightsOf = ({ nodes }: typeof graph) =>
    nodes.flatMap(({ inputs }) => inputs).filter((value) => value?.constant && value.constant.shape.length === 2)
  const changed = weightsOf(merged).filter((value, i) => value!.constant!.data !== weightsOf(graph)[i]!.constant!.data)
  expect(changed.map((value) => value!.name)).toEqual(['dense/kernel'])
})

it('trains an adapter alone behind which the head of the file stays', async () => {
  const moved = clouds(400, 0.6)
  const { result } = await drained(onnx, { ...moved, ...quick, head: 'keep', adapter: lora({ rank: 2 }) })
  expect([...result.parameters.keys()].every((name) => /^base\/.*\/lora_[AB]$/.test(name))).toBe(true)
  expect(result.adapter!.parameters.size).toBe(4)
  const right = (await predictions(result.onnx, moved.x)).filter((label, i) => label === moved.y.data[i])
  expect(right.length / 400).toBeGreaterThan(0.97)
})

it('gives the adapter of weights whose names have a base of their own', async () => {
  const named = await trainedOn(data, 'base')
  const { result } = await drained(named, { ...sides, ...quick, epochs: 1, adapter: lora({ rank: 2 }) })
  expect([...result.parameters.keys()]).toContain('base/base/kernel/lora_A')
  expect([...result.adapter!.parameters.keys()]).toEqual(['base/kernel/lora_A', 'base/kernel/lora_B'])
})

it('gives the adapter of a weight whose name ends that of another one, without that', async () => {
  const g = new Emitter(table, new GraphBuilder('names'))
  const x = g.builder.input('x', { dtype: 'float32', shape: ['N', 2] })
  const entered = g.relu(g.matMul(x, g.constant(noise(1, [2, 16]), 'fc')))
  const inner = g.relu(g.matMul(entered, g.constant(noise(2, [16, 16]), 'block.fc.weight')))
  const graph = g.builder.finish([g.matMul(inner, g.constant(noise(3, [16, 3]), 'out.weight'))])
  const options = { ...sides, ...quick, epochs: 1, train: 'block.fc.weight', adapter: lora({ rank: 2 }) }
  const { adapter } = (await drained(writeModel(graph).model, options)).result
  const paths = ['fc/lora_A', 'fc/lora_B']
  expect([...adapter!.parameters.keys()]).toEqual(paths)
  expect([...(await readPeft(graph, writePeft(graph, adapter!))).parameters.keys()]).toEqual(paths)
})

it('refuses an option that it does not know', async () => {
  await expect(drained(onnx, { ...sides, ...quick, adaptor: lora({ rank: 2 }) } as never)).rejects.toThrow(
    "fineTune has no option 'adaptor'. Did you mean 'adapter'?",
  )
})
