import { expect, it } from 'vitest'
import { float32, int64, tensor } from '../core/tensor.ts'
import { GraphBuilder } from './builder.ts'
import type { TensorType, Value } from './graph.ts'
import { printGraph } from './print.ts'

const vector: TensorType = { dtype: 'float32', shape: ['batch', 2] }

it('prints types, constants, attributes, sub-graphs and what is left out', () => {
  const b = new GraphBuilder('g')
  const x = b.input('x', vector)
  const untyped: Value = { name: 'u', type: undefined, constant: undefined }
  b.inputs.push(untyped)
  const w = b.parameter('w', { dtype: 'float32', shape: undefined })
  const small = b.constant(int64([2], [1, -1]))
  const large = b.constant(float32([3, 3], new Float32Array(9)), 'kernel')
  const text = b.constant(tensor('string', [1], ['a']))
  const inner = new GraphBuilder('body')
  const attributes = {
    axis: { kind: 'int', value: 1 },
    mode: { kind: 'string', value: 'linear' },
    value: { kind: 'tensor', value: float32([1], [0]) },
    rest: { kind: 'opaque', value: new Uint8Array(3) },
    body: { kind: 'graph', value: inner.finish([x]) },
  } as const
  const outputs = [vector, undefined, vector]
  const [y] = b.node({ op: 'Op', domain: 'my', inputs: [x, undefined, small, large, text], attributes, outputs })
  const [z] = b.node({ op: 'Mul', inputs: [y, w], outputs: [vector] })
  expect(printGraph(b.finish([z as Value]))).toMatchInlineSnapshot(`
    "graph g
      input x: float32[batch, 2]
      input u: ?
      parameter w: float32[...]
      Op:out0: float32[batch, 2], _, Op:out2: float32[batch, 2] = my.Op(x, _, int64[2]{1 -1}, kernel[3, 3], string[1]{a}, axis=1, mode="linear", value=float32[1], rest=<3 bytes>, body={ graph body
      return x })
      Mul:out: float32[batch, 2] = Mul(Op:out0, w)
      return Mul:out"
  `)
})
