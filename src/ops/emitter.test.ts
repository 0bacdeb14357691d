import { describe, expect, it } from 'vitest'
import { float32, int64, numbersOf } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import { readAttributes } from './attributes.ts'
import { Emitter } from './emitter.ts'
import { table } from './index.ts'
import { inferTypes } from './infer.ts'
import { scatterSum } from './scatter-sum.ts'

function start(): { g: Emitter; x: Value; n: Value; strange: Value } {
  const g = new Emitter(table, new GraphBuilder('test'))
  return {
    g,
    x: g.builder.input('x', { dtype: 'float32', shape: ['batch', 3] }),
    n: g.builder.input('n', { dtype: 'int64', shape: [3] }),
    strange: g.builder.input('strange', { dtype: 'float32', shape: undefined }),
  }
}

describe('numbers as operands', () => {
  it('take the type of the other operand, on either side', () => {
    const { g, x, n } = start()
    expect(dtypeOf(g.add(x, 1))).toBe('float32')
    expect(dtypeOf(g.sub(1, n))).toBe('int64')
    const half = g.builder.input('d', { dtype: 'float64', shape: [] })
    g.mul(half, 0.5)
    expect(g.builder.nodes.at(-1)!.inputs[1]!.constant).toEqual({
      dtype: 'float64',
      shape: [],
      data: Float64Array.of(0.5),
    })
  })

  it('are one value when they are equal, and 0 is not -0', () => {
    const { g } = start()
    expect(g.scalar(2)).toBe(g.scalar(2))
    expect(g.scalar(2)).not.toBe(g.scalar(2, 'float64'))
    expect(g.scalar(0)).not.toBe(g.scalar(-0))
    expect(g.integers([1, 2])).toBe(g.integers([1, 2]))
    expect(g.integers([12])).not.toBe(g.integers([1, 2]))
    expect(g.integers([])).not.toBe(g.integers([0]))
  })

  it('are refused where they would lose their fraction, or have no type', () => {
    const { g, n } = start()
    expect(() => g.mul(n, 0.5)).toThrow('the number 0.5 cannot be combined with int64 values')
    expect(() => g.scalar(Number.NaN, 'int32')).toThrow('the number NaN')
    expect(() => g.add(1, 2)).toThrow('Add of the two numbers 1 and 2 needs no operator')
    expect(dtypeOf(g.where(g.equal(n, 1), 1, 0))).toBe('float32')
  })
})

describe('the emitter', () => {
  it('names the nearest operator and attribute', () => {
    const { g, x } = start()
    expect(() => g.op('Tanhh', [x])).toThrow("operator 'Tanhh' is not known. Did you mean 'Tanh'?")
    expect(() => g.op('Softmax', [x], { axes: 1 })).toThrow("Softmax has no attribute 'axes'. Did you mean 'axis'?")
    expect(() => g.op('Tanh', [x], { constructor: 1 })).toThrow("Tanh has no attribute 'constructor'. It has none.")
    expect(() => g.op('Softmax', [x], { axis: [1] })).toThrow("attribute 'axis' of Softmax must be int, received [1]")
    expect(() => g.op('Softmax', [x], { axis: 0.5 })).toThrow('must be int, received 0.5')
    expect(() => g.op('Tanh', [x], {}, 'com.example')).toThrow("operator 'Tanh' is not known")
  })

  it('names operator, node and shapes when shapes do not fit', () => {
    const { g, x } = start()
    const w = g.builder.parameter('w', { dtype: 'float32', shape: [4, 2] })
    const multiply = () => g.builder.within('dense', () => g.matMul(x, w))
    expect(multiply).toThrow(/^MatMul at 'dense\/MatMul': .*Received inputs: float32\[batch, 3\], float32\[4, 2\]$/)
    expect(() => g.add(w, x)).toThrow(/^Add at 'Add': shapes \[4, 2\] and \[batch, 3\] do not broadcast/)
    expect(() => g.op('Tanh', [])).toThrow("Tanh at 'Tanh': expected 1 inputs, received 0")
    expect(() => g.op('Tanh', [x, x])).toThrow("Tanh at 'Tanh': expected 1 inputs, received 2")
    expect(() => g.op('Add', [undefined, x])).toThrow(/Add at 'Add': input 0 is missing/)
    expect(g.builder.scope).toEqual([])
  })

  it('does not write what it cannot infer', () => {
    const { g, x, strange } = start()
    expect(() => g.tanh(strange)).toThrow(
      "Tanh at 'Tanh' cannot be written: the rank of one of its inputs is not known",
    )
    expect(() => g.ops('Tanh', [x], {}, 2)).toThrow("Tanh at 'Tanh' has 1 outputs, 2 were asked for")
    expect(g.builder.nodes).toEqual([])
  })

  it('leaves out what would change nothing', () => {
    const { g, n } = start()
    const y = g.builder.input('y', { dtype: 'float32', shape: [2, 3] })
    expect(g.reshape(y, [2, 3])).toBe(y)
    expect(g.transpose(y, [0, 1])).toBe(y)
    expect(g.cast(n, 'int64')).toBe(n)
    expect(g.expand(y, [2, 3])).toBe(y)
    expect(g.sumTo(y, [2, 3])).toBe(y)
    expect(g.concat([y], 0)).toBe(y)
    expect(g.squeeze(y, [])).toBe(y)
    expect(g.builder.nodes).toEqual([])
  })

  it('infers shapes of its own compositions', () => {
    const { g, x } = start()
    const y = g.builder.input('y', { dtype: 'float32', shape: [4, 2, 3] })
    expect(shapeOf(g.swapLast(y))).toEqual([4, 3, 2])
    expect(shapeOf(g.sumTo(y, [2, 1]))).toEqual([2, 1])
    expect(shapeOf(g.sumTo(y, []))).toEqual([])
    expect(shapeOf(g.mean(x))).toEqual([])
    expect(shapeOf(g.sum(x, [-1], true))).toEqual(['batch', 1])
    expect(shapeOf(g.reshape(x, ['batch', 3, 1]))).toEqual(['batch', 3, 1])
    expect(() => g.reshape(x, ['a', 'b'])).toThrow(/reshape needs every dimension as a number/)
    expect(shapeOf(g.slice(y, [1], [4], [0], [2]))).toEqual([2, 2, 3])
    const rows = g.constant(int64([2], [0, 2]))
    const gathered = g.op('Gather', [y, rows], { axis: 2 })
    expect(shapeOf(scatterSum(g, gathered, rows, { axis: 2, shape: [4, 2, 3] }))).toEqual([4, 2, 3])
    expect(
      shapeOf(
        g.gemm(
          g.constant(float32([2, 5], new Float32Array(10))),
          g.constant(float32([2, 7], new Float32Array(14))),
          undefined,
          { transA: true },
        ),
      ),
    ).toEqual([5, 7])
  })

  it('repeats a node on other inputs with types of their own', () => {
    const { g, x } = start()
    g.op('Softmax', [x], { axis: 1 })
    const wide = g.builder.input('wide', { dtype: 'float32', shape: [8, 9] })
    const [again] = g.repeat(g.builder.nodes[0]!, [wide])
    expect(shapeOf(again!)).toEqual([8, 9])
    expect(g.builder.nodes[1]!.attributes).toEqual({ axis: { kind: 'int', value: 1 } })
  })
})

describe('inferTypes', () => {
  it('knows nothing when the rank of an input is not known', () => {
    const { x, strange } = start()
    const add = table.get('', 'Add')!
    expect(inferTypes(add, [x, strange], {}, 1, 'node')).toEqual([undefined])
    expect(inferTypes(add, [x, x], {}, 1, 'node')).toEqual([{ dtype: 'float32', shape: ['batch', 3] }])
    // The number of inputs is wrong whatever the ranks are.
    expect(() => inferTypes(add, [strange], {}, 1, 'node')).toThrow("Add at 'node': expected 2 inputs, received 1")
  })

  it('knows nothing when an input has no type at all', () => {
    const untyped = { name: 'u', type: undefined, constant: undefined }
    expect(inferTypes(table.get('', 'Tanh')!, [untyped], {}, 1, 'node')).toEqual([undefined])
  })
})

describe('readAttributes', () => {
  const softmax = table.get('', 'Softmax')!

  it('falls back to the default of the record', () => {
    expect(readAttributes(softmax, {}).int('axis')).toBe(-1)
    expect(readAttributes(softmax, { axis: { kind: 'int', value: 0 } }).int('axis')).toBe(0)
  })

  it('names what is missing or of another kind', () => {
    const wrong = readAttributes(softmax, { axis: { kind: 'float', value: 1 } })
    expect(() => wrong.int('axis')).toThrow("attribute 'axis' of Softmax must be int, received float")
    expect(() => readAttributes(table.get('', 'Concat')!, {}).int('axis')).toThrow(
      "Concat needs the attribute 'axis' (int), received none",
    )
  })
})

it('numbersOf reads what integers() wrote', () => {
  const { g } = start()
  expect(numbersOf(g.integers([3, -1]).constant!)).toEqual([3, -1])
})
