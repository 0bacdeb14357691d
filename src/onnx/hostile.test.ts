/** Files that are damaged, mistaken for models or made to harm: each is refused with an error that says what is wrong. */
import { create, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { QuernError } from '../core/errors.ts'
import { float32 } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { TensorType, Value } from '../graph/graph.ts'
import { ModelProtoSchema } from './generated/onnx_pb.ts'
import { readModel } from './read.ts'
import { writeModel } from './write.ts'

const vector = { value: { case: 'tensorType', value: { elemType: 1, shape: { dim: [] } } } }

function bytesOf(graph: object, model: object = {}): Uint8Array {
  const opsetImport = [{ domain: '', version: 20n }]
  const init = { irVersion: 9n, opsetImport, graph: { name: 'g', ...graph }, ...model }
  return toBinary(ModelProtoSchema, create(ModelProtoSchema, init as object))
}

/** A model with a weight, a constant and a sub-graph. */
function model(): Uint8Array {
  const type: TensorType = { dtype: 'float32', shape: [2] }
  const b = new GraphBuilder('g')
  const x = b.input('x', type)
  const condition = b.input('condition', { dtype: 'bool', shape: [] })
  const [h] = b.node({ op: 'Mul', inputs: [x, b.constant(float32([2], [1, 2]))], outputs: [type] })
  const inner = new GraphBuilder('then')
  const [t] = inner.node({ op: 'Tanh', inputs: [h], outputs: [type] })
  const branch = { kind: 'graph', value: inner.finish([t as Value]) } as const
  const attributes = { then_branch: branch, else_branch: branch }
  const [y] = b.node({ op: 'If', inputs: [condition], attributes, outputs: [type] })
  return writeModel(b.finish([y as Value])).model
}

async function errorOf(bytes: Uint8Array): Promise<QuernError> {
  try {
    await readModel(bytes)
  } catch (error) {
    if (error instanceof QuernError) return error
    throw new Error(`not a QuernError: ${error}`)
  }
  throw new Error('the model was read')
}

describe('readModel', () => {
  it.each([
    ['nothing', '', 'is empty'],
    ['a PNG', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'a PNG image'],
    ['a zip', 'PK\x03\x04rest', 'a zip archive'],
    ['a pointer', 'version https://git-lfs.github.com/spec/v1\n', 'a Git LFS pointer'],
    ['JSON', '{"a": 1}', 'text'],
    ['noise', '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff', 'damaged'],
    ['a message without a graph', '\x08\x09', 'holds no graph'],
  ])('refuses %s', async (_, text, message) => {
    const error = await errorOf(Uint8Array.from(text, (c) => c.charCodeAt(0)))
    expect(error.kind).toBe('input')
    expect(error.message).toContain(message)
  })

  it('refuses a file that is cut short anywhere', async () => {
    const bytes = model()
    for (let length = 0; length < bytes.length; length += 7) {
      const cut = bytes.subarray(0, length)
      await readModel(cut).catch((error) => expect(error).toBeInstanceOf(QuernError))
    }
  })

  it('reads or refuses whatever bytes are changed, and never fails otherwise', async () => {
    const bytes = model()
    const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255))
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const damaged = bytes.slice()
        for (const [at, byte] of changes) damaged[at] = byte
        await readModel(damaged).catch((error) => {
          if (!(error instanceof QuernError)) throw error
        })
      }),
      { numRuns: 500 },
    )
  })

  it('refuses graphs nested too deeply', async () => {
    let graph: Uint8Array = new Uint8Array(0)
    for (let depth = 0; depth < 1_000; depth++) {
      const attribute = field(6, graph)
      graph = field(1, field(5, attribute))
    }
    expect((await errorOf(field(7, graph))).message).toContain('not an ONNX model')
  })

  it('refuses a length beyond the file', async () => {
    // field 7 (graph), length 2^31 - 1, no bytes
    expect((await errorOf(Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x07))).kind).toBe('input')
  })

  const node = { name: 'n', opType: 'Tanh', input: ['x'], output: ['y'] }
  const base = { input: [{ name: 'x', type: vector }], output: [{ name: 'y' }] }
  it.each([
    [
      'a node that reads what nothing computes',
      { ...base, node: [{ ...node, input: ['z'] }] },
      "node 'n' (Tanh) reads 'z'",
    ],
    ['a cycle', { ...base, node: [{ ...node, input: ['y'] }] }, 'form a cycle'],
    [
      'nodes out of order',
      { ...base, node: [node, { ...node, output: ['x2'] }, { ...node, input: ['w'] }] },
      "'w', which nothing",
    ],
    ['a value with two producers', { ...base, node: [node, node] }, "computes 'y', which exists already"],
    [
      'two inputs of one name',
      { ...base, input: [...base.input, ...base.input], node: [node] },
      "two inputs named 'x'",
    ],
    ['an output that nothing computes', base, "output 'y' is never computed"],
    ['a node without an operator', { ...base, node: [{ ...node, opType: '' }] }, "node 'n' has no operator"],
    [
      'a domain that is not imported',
      { ...base, node: [{ ...node, domain: 'constructor' }] },
      "the domain 'constructor'",
    ],
    [
      'two initializers of one name',
      { ...base, initializer: [weight(), weight()], node: [node] },
      "two values are named 'w'",
    ],
    [
      'a huge claim',
      { ...base, initializer: [{ ...weight(), dims: [10n ** 12n] }], node: [node] },
      "initializer 'w' must have",
    ],
    [
      'a negative dimension',
      { ...base, initializer: [{ ...weight(), dims: [-2n] }], node: [node] },
      "initializer 'w' has",
    ],
    [
      'an unknown element type',
      { ...base, initializer: [{ ...weight(), dataType: 77 }], node: [node] },
      'element type 77',
    ],
    [
      'an unknown element type of an input',
      {
        ...base,
        input: [{ name: 'x', type: { value: { case: 'tensorType', value: { elemType: 77 } } } }],
        node: [node],
      },
      "value 'x' of graph 'g' has the element type 77",
    ],
    ['an attribute whose value is of another kind', attributed({ type: 2, f: 1 }), "attribute 'a' of node 'n' (Tanh)"],
    ['an attribute of an unknown kind', attributed({ type: 42 }), 'has the type 42'],
    ['an attribute without its tensor', attributed({ type: 4 }), 'is a tensor without one'],
    ['an attribute without its graph', attributed({ type: 5 }), 'is a graph without one'],
    ['a function attribute outside of a function', attributed({ type: 2, refAttrName: 'b' }), "function attribute 'b'"],
  ])('refuses %s', async (_, graph, message) => {
    const error = await errorOf(bytesOf(graph))
    expect(error.kind).toBe('input')
    expect(error.message).toContain(message)
  })

  it('refuses an impossible opset', async () => {
    const error = await errorOf(bytesOf({ ...base, node: [node] }, { opsetImport: [{ version: -1n }] }))
    expect(error.message).toContain('imports opset -1')
  })

  function attributed(attribute: object): object {
    return { ...base, node: [{ ...node, attribute: [{ name: 'a', ...attribute }] }] }
  }

  function weight(): object {
    return { name: 'w', dataType: 1, dims: [1n], rawData: new Uint8Array(4) }
  }
})

/** A length-delimited field of a protobuf message. */
function field(number: number, content: Uint8Array): Uint8Array {
  const length: number[] = []
  let rest = content.length
  do {
    length.push((rest & 127) | (rest > 127 ? 128 : 0))
    rest >>>= 7
  } while (rest > 0)
  return Uint8Array.from([(number << 3) | 2, ...length, ...content])
}
