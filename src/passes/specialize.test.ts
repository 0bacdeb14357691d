/** Symbolic sizes become numbers; what was computed from shapes becomes constants. */
import { describe, expect, it } from 'vitest'
import { float32, int64, numbersOf } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Graph } from '../graph/graph.ts'
import { printGraph } from '../graph/print.ts'
import { validate } from '../graph/validate.ts'
import { readModel } from '../onnx/read.ts'
import { writeModel } from '../onnx/write.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import { graphEvaluator } from '../runtime/evaluate-graph.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { foldConstants } from './fold.ts'
import { specialize } from './specialize.ts'

const evaluate = graphEvaluator(createNodeBackend({ threads: 1 }))

/** Heads as an exporter writes them: Reshape(x, Concat(Shape(x)[0], Shape(x)[1], 2, -1)). */
async function exported(): Promise<Graph> {
  const g = new Emitter(table, new GraphBuilder('exported'))
  const x = g.builder.input('x', { dtype: 'float32', shape: ['batch', 'time', 6] })
  const shape = g.op('Shape', [x])
  const at = (i: number) => g.unsqueeze(g.op('Gather', [shape, g.constant(int64([], [i]))], { axis: 0 }), [0])
  const sizes = g.concat([at(0), at(1), g.integers([2]), g.integers([-1])], 0)
  const y = g.op('Reshape', [x, sizes])
  const mask = g.op('ConstantOfShape', [g.slice(shape, [0], [2], [0])], { value: float32([1], [3]) })
  const graph = g.builder.finish([y, mask])
  return (await readModel(writeModel(graph).model)).graph
}

/** A mask as wide as what it masks, as PyTorch writes mask.unsqueeze(-1).expand(hidden.size()): -1 means the size that is there. */
async function expanded(): Promise<Graph> {
  const g = new Emitter(table, new GraphBuilder('expanded'))
  const mask = g.builder.input('mask', { dtype: 'int64', shape: ['batch', 'time'] })
  const hidden = g.builder.input('hidden', { dtype: 'float32', shape: ['batch', 'time', 6] })
  const sizes = g.op('Shape', [hidden])
  const ones = g.op('ConstantOfShape', [g.integers([3])], { value: int64([1], [1]) })
  const wanted = g.op('Where', [g.op('Equal', [sizes, g.mul(ones, g.integers([-1]))]), ones, sizes])
  const wide = g.cast(g.op('Expand', [g.unsqueeze(mask, [2]), wanted]), 'float32')
  const graph = g.builder.finish([g.sum(g.mul(hidden, wide), [1])])
  return (await readModel(writeModel(graph).model)).graph
}

describe('specialize', () => {
  it('knows the sizes that an expansion is given', async () => {
    const graph = specialize(await expanded(), { batch: 3, time: 4 }, table)
    validate(graph)
    const expansion = graph.nodes.find(({ op }) => op === 'Expand')!
    expect(expansion.outputs[0]?.type?.shape).toEqual([3, 4, 6])
    expect(numbersOf(expansion.inputs[1]!.constant!)).toEqual([3, 4, 6])
    const hidden = float32(
      [3, 4, 6],
      Float32Array.from({ length: 72 }, (_, i) => i),
    )
    const mask = int64(
      [3, 4],
      Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? 1 : 0)),
    )
    expect(await evaluate(graph, { mask, hidden })).toEqual(await evaluate(await expanded(), { mask, hidden }))
  })

  it('keeps names as long as they are names', async () => {
    const graph = await exported()
    const folded = await foldConstants(graph, { table, evaluate })
    expect(folded.outputs.map((value) => value.type?.shape)).toEqual([
      ['batch', 'time', 2, '?'],
      ['batch', 'time'],
    ])
  })

  it('makes numbers of them, and constants of what reads them', async () => {
    const graph = specialize(await exported(), { batch: 3, time: 4 }, table)
    validate(graph)
    expect(graph.inputs[0]?.type?.shape).toEqual([3, 4, 6])
    expect(graph.outputs.map((value) => value.type?.shape)).toEqual([
      [3, 4, 2, 3],
      [3, 4],
    ])
    const folded = await foldConstants(graph, { table, evaluate })
    expect(folded.nodes.map((node) => node.op)).toEqual(['Reshape', 'ConstantOfShape'])
    expect(folded.outputs.map((value) => value.name)).toEqual(graph.outputs.map((value) => value.name))
    const x = float32(
      [3, 4, 6],
      Float32Array.from({ length: 72 }, (_, i) => i),
    )
    const [before, after] = [await evaluate(await exported(), { x }), await evaluate(folded, { x })]
    expect(after).toEqual(before)
  })

  it('specialises one name and leaves the others', async () => {
    const graph = specialize(await exported(), { batch: 3 }, table)
    expect(graph.outputs[1]?.type?.shape).toEqual([3, 'time'])
  })

  it('looks into sub-graphs and sequences', () => {
    const b = new GraphBuilder('outer')
    const x = b.input('x', { dtype: 'float32', shape: ['batch', 2] })
    const inner = new GraphBuilder('inner')
    const [z] = inner.node({
      op: 'Unheard',
      domain: 'test',
      inputs: [x],
      outputs: [{ dtype: 'float32', shape: ['batch'] }],
    })
    const [y] = b.node({
      op: 'Loop',
      domain: 'test',
      inputs: [x],
      attributes: { body: { kind: 'graph', value: inner.finish([z!]) } },
      outputs: [{ dtype: 'float32', shape: ['batch', 'other'] }],
    })
    const list = { kind: 'sequence', element: { dtype: 'float32', shape: ['batch'] } } as const
    const graph = b.finish([y!])
    const open = {
      ...graph,
      inputs: [...graph.inputs, { name: 's', type: undefined, constant: undefined, container: list }],
    }
    const text = printGraph(specialize(open, { batch: 5 }, table))
    expect(text).not.toContain('batch')
    expect(text).toContain('other')
  })

  it('names a dimension that is not there, and a size that is none', async () => {
    const graph = await exported()
    expect(() => specialize(graph, { bach: 3 }, table)).toThrow("has no dimension 'bach'. Did you mean 'batch'?")
    expect(() => specialize(graph, { batch: 1.5 }, table)).toThrow(
      "size of dimension 'batch' must be a whole number >= 0, received 1.5",
    )
  })

  it('says which shapes no longer fit, and where', () => {
    const g = new Emitter(table, new GraphBuilder('g'))
    const x = g.builder.input('x', { dtype: 'float32', shape: ['batch', 'n'] })
    const w = g.constant(float32([3, 2], new Float32Array(6)))
    const graph = g.builder.finish([g.matMul(x, w)])
    expect(() => specialize(graph, { n: 4 }, table)).toThrow(
      /MatMul at 'MatMul': the inner dimensions must agree, received 4 and 3.*\[batch, 4\].*\[3, 2\]/,
    )
  })
})

describe('foldConstants', () => {
  it('computes what depends on constants alone, once', async () => {
    const g = new Emitter(table, new GraphBuilder('g'))
    const x = g.builder.input('x', { dtype: 'float32', shape: [2] })
    const a = g.mul(g.add(g.constant(float32([2], [1, 2])), 3), 2)
    const folded = await foldConstants(g.builder.finish([g.add(x, a)]), { table, evaluate })
    expect(folded.nodes.map((node) => node.op)).toEqual(['Add'])
    expect(numbersOf(folded.nodes[0]!.inputs[1]!.constant!)).toEqual([8, 10])
  })

  it('keeps parameters, draws, dequantised weights and what grows beyond the limit', async () => {
    const g = new Emitter(table, new GraphBuilder('g'))
    const w = g.builder.parameter('w', { dtype: 'float32', shape: [2] })
    const trained = g.mul(w, 2)
    const large = g.full([100], 1)
    const drawn = g.op('Dropout', [g.constant(float32([2], [1, 2])), g.scalar(0.5)])
    const folded = await foldConstants(g.builder.finish([g.neg(trained), g.neg(large), g.neg(drawn)]), {
      table,
      evaluate,
      largest: 50,
    })
    expect(folded.nodes.map((node) => node.op)).toEqual(['Mul', 'Expand', 'Dropout', 'Neg', 'Neg', 'Neg'])
    expect(folded.parameters).toHaveLength(1)
  })

  it('keeps a large weight in int8 where it is cast, and folds a small one', async () => {
    const castsIn = async (count: number) => {
      const g = new Emitter(table, new GraphBuilder('int8'))
      const x = g.builder.input('x', { dtype: 'float32', shape: ['n', count] })
      const weight = g.cast(
        g.constant({ dtype: 'int8', shape: [count], data: new Int8Array(count).fill(3) }),
        'float32',
      )
      const { nodes } = await foldConstants(g.builder.finish([g.add(x, weight)]), { table, evaluate })
      return nodes.map(({ op }) => op)
    }
    expect(await castsIn(100_000)).toEqual(['Cast', 'Add'])
    expect(await castsIn(100)).toEqual(['Add'])
  })

  it('leaves alone what the runtime refuses', async () => {
    const b = new GraphBuilder('g')
    const constant = b.constant(float32([2], [1, 2]))
    const type = { dtype: 'float32', shape: [2] } as const
    const [y] = b.node({ op: 'Unheard', domain: 'test', inputs: [constant], outputs: [type] })
    const [z] = b.node({ op: 'Neg', inputs: [y], outputs: [type] })
    const [n] = b.node({ op: 'Neg', inputs: [constant], outputs: [type] })
    const [sum] = b.node({ op: 'Add', inputs: [z, n], outputs: [type] })
    const folded = await foldConstants(b.finish([sum!]), { table, evaluate })
    expect(folded.nodes.map((node) => node.op)).toEqual(['Unheard', 'Neg', 'Add'])
  })
})
