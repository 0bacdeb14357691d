/**
 * What is wrong with a graph or a model is said before anything runs or is written: which thing, what was expected, what came, what to do. One case for
 * each way in which an imported or a written network can be wrong.
 */
import { describe, expect, it } from 'vitest'
import { QuernError } from '../src/core/errors.ts'
import {
  backward,
  checkOperators,
  createNodeBackend,
  Emitter,
  float32,
  GraphBuilder,
  int64,
  readModel,
  table,
  tensor,
  type Value,
  validate,
  writeModel,
} from '../src/engine.ts'
import { trace } from '../src/nn/index.ts'
import { layer } from '../src/nn/layer.ts'
import { dense, sequential } from '../src/nn.ts'
import { createArena, planLayout } from '../src/runtime/arena.ts'

const vector = { dtype: 'float32', shape: [2] } as const

async function errorOf(work: () => unknown): Promise<QuernError> {
  try {
    await work()
  } catch (error) {
    expect(error).toBeInstanceOf(QuernError)
    return error as QuernError
  }
  throw new Error('nothing was refused')
}

function emitter(name = 'g'): Emitter {
  return new Emitter(table, new GraphBuilder(name))
}

/** A file with one weight. */
function modelWith(weight: Parameters<Emitter['constant']>[0]): Uint8Array {
  const g = emitter()
  const x = g.builder.input('x', { dtype: weight.dtype, shape: ['batch', ...weight.shape] })
  return writeModel(g.builder.finish([g.mul(x, g.constant(weight, 'layer/weight'))])).model
}

describe('a gradient', () => {
  it('through an operator without one names operator, node, reason and what to do', async () => {
    const g = emitter()
    const x = g.builder.parameter('x', { dtype: 'float32', shape: [2, 2] })
    const loss = g.builder.within('head', () => g.sum(g.op('RandomNormalLike', [x])))
    const error = await errorOf(() => backward(g, loss, [x]))
    expect(error.kind).toBe('unsupported')
    expect(error.message).toMatch(
      /no gradient through RandomNormalLike at 'head\/RandomNormalLike': its result is drawn/,
    )
    expect(error.hint).toMatch(/Train only what lies behind this node/)
  })

  it('through quantised arithmetic says so', async () => {
    const g = emitter()
    const x = g.builder.parameter('x', { dtype: 'float32', shape: [2, 3] })
    const weight = g.constant(tensor('uint8', [3, 2], new Uint8Array(6)))
    const y = g.op('DynamicQuantizeMatMul', [x, weight, g.constant(float32([1], [0.1]))], {}, 'com.microsoft')
    const error = await errorOf(() => backward(g, g.sum(y), [x]))
    expect(error.message).toContain(
      "no gradient through DynamicQuantizeMatMul at 'DynamicQuantizeMatMul': it computes with quantised",
    )
  })

  it('through an operator that nobody knows names its domain and its node', async () => {
    const g = emitter()
    const x = g.builder.parameter('x', vector)
    const [y] = g.builder.node({ op: 'Fancy', domain: 'acme', inputs: [x], outputs: [vector] })
    const error = await errorOf(() => backward(g, g.sum(y as Value), [x]))
    expect(error.message).toBe("no gradient through acme.Fancy at 'Fancy': Quern does not know this operator")
    expect(error.hint).toMatch(/add a record/)
  })

  it('through a fused operator in a form that is not covered names the attribute', async () => {
    const g = emitter()
    const x = g.builder.parameter('x', { dtype: 'float32', shape: [1, 2, 8] })
    const cache = g.constant(float32([2, 2], [1, 1, 1, 1]))
    const position = g.constant(int64([1], [0]))
    const y = g.op('RotaryEmbedding', [x, position, cache, cache], { scale: 2 }, 'com.microsoft')
    const error = await errorOf(() => backward(g, g.sum(y), [x]))
    expect(error.message).toContain(
      "RotaryEmbedding at 'RotaryEmbedding' cannot be written in standard operators: the attribute 'scale' is 2",
    )
  })
})

describe('shapes and types', () => {
  it('that do not fit are both named, with the layer', async () => {
    const wrong = layer({
      kind: 'wrong',
      config: { name: 'second' },
      apply: (c, [x]) => c.g.matMul(x!, c.parameter('weight', { shape: [7, 2], initializer: 'zeros' })),
    })
    const model = sequential([dense({ units: 3, name: 'first' }), wrong])
    const inputs = [{ name: 'x', type: { dtype: 'float32', shape: [4, 5] } }] as const
    const error = await errorOf(() => trace(model, inputs, { table, training: false }))
    expect(error.message).toMatch(
      /MatMul at '.*second\/MatMul': the inner dimensions must agree, received 3 and 7. Received inputs: float32\[4, 3\], float32\[7, 2\]/,
    )
  })

  it('of elements that differ are both named', async () => {
    const g = emitter()
    const a = g.builder.input('a', vector)
    const b = g.builder.input('b', { dtype: 'float64', shape: [2] })
    const error = await errorOf(() => g.add(a, b))
    expect(error.message).toMatch(/Add at 'Add': .*float32 and float64/)
  })

  it('of what is fed are named with the input', async () => {
    const g = emitter()
    const graph = g.builder.finish([g.neg(g.builder.input('pixels', vector))])
    const session = await createNodeBackend().createSession(writeModel(graph).model)
    const fed = await errorOf(() => session.run({ pixels: int64([2], [1, 2]) }))
    expect(fed.message).toBe("input 'pixels' must be float32, received int64")
    const sized = await errorOf(() => session.run({ pixels: float32([3], [1, 2, 3]) }))
    expect(sized.message).toContain("input 'pixels' must have the shape [2], received [3]")
    await session.release()
  })
})

describe('a graph', () => {
  it('that runs in a circle is refused, and is not written', async () => {
    const g = emitter()
    const x = g.builder.input('x', vector)
    const y = g.relu(x)
    const graph = g.builder.finish([g.neg(y)])
    const [relu, neg] = graph.nodes
    const circle = { ...graph, nodes: [{ ...relu!, inputs: [neg!.outputs[0]] }, neg!] }
    const error = await errorOf(() => validate(circle))
    expect(error.message).toMatch(/Relu/)
    await expect(readModel(writeModel(circle).model)).rejects.toThrow('the nodes are out of order or form a cycle')
  })

  it('of an opset that the runtime does not know says which it knows', async () => {
    const g = emitter()
    const { model } = writeModel(g.builder.finish([g.relu(g.builder.input('x', vector))]), { opsets: { '': 27 } })
    const { graph, opsets } = await readModel(model)
    const error = await errorOf(() => checkOperators(graph, opsets, table))
    expect(error.message).toContain('operator Relu at node')
    expect(error.hint).toBe('Export the model with opset 26 or an older one.')
  })

  it('of a domain that nobody knows says so', async () => {
    const b = new GraphBuilder('g')
    const [y] = b.node({ op: 'Fancy', domain: 'acme', inputs: [b.input('x', vector)], outputs: [vector] })
    const { graph, opsets } = await readModel(writeModel(b.finish([y as Value])).model)
    const error = await errorOf(() => checkOperators(graph, opsets, table))
    expect(error.message).toBe("operator acme.Fancy of opset 1 is not supported; at node 'Fancy'")
    expect(error.hint).toMatch(/run and served, but not trained/)
  })
})

describe('weights', () => {
  it('that are not finite are refused before training, with their place', async () => {
    const damaged = modelWith(float32([2, 3], [1, 2, 3, 4, Number.NaN, Number.POSITIVE_INFINITY]))
    const error = await errorOf(() => readModel(damaged, { parameters: 'floats' }))
    expect(error.message).toBe(
      "parameter 'layer/weight', float32[2, 3], holds 2 of 6 elements that are not finite (NaN or infinite), the first at [1, 1]",
    )
    expect(error.hint).toMatch(/export it again/)
    // To look at such a file is allowed.
    expect((await readModel(damaged)).graph.nodes).toHaveLength(1)
  })

  it('of half precision too', async () => {
    const damaged = modelWith(tensor('float16', [2], Uint16Array.of(0x3c00, 0x7e00)))
    const error = await errorOf(() => readModel(damaged, { parameters: 'floats' }))
    expect(error.message).toContain("parameter 'layer/weight', float16[2], holds 1 of 2 elements")
  })

  it('that are frozen may hold infinities, as masks do, and no NaN', async () => {
    const frozen = { parameters: () => false }
    await readModel(modelWith(float32([2], [0, Number.NEGATIVE_INFINITY])), frozen)
    const error = await errorOf(() => readModel(modelWith(float32([2], [0, Number.NaN])), frozen))
    expect(error.message).toContain("constant 'layer/weight'")
  })

  it('beyond what one memory holds are refused with what takes how much, before memory is taken', async () => {
    const layout = planLayout([{ name: 'embedding', dtype: 'float32', shape: [400_000, 768] }])
    const error = await errorOf(() =>
      createArena({ regions: { parameters: layout, gradients: layout, m: layout, v: layout } }),
    )
    expect(error.message).toMatch(
      /needs 4688 MB in one WebAssembly memory, which holds at most 4096 MB: parameters 1172 MB/,
    )
    expect(error.hint).toBeDefined()
  })
})
