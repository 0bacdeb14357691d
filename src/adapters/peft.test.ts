/** Adapters as PEFT's files: names and shapes of the layout, the way there and back, and what is wrong with files. */
import { describe, expect, test } from 'vitest'
import { noise } from '../../test/run-layer.ts'
import { createRandom } from '../core/random.ts'
import { sizeOf } from '../core/shape.ts'
import { float32, type Tensor, tensor } from '../core/tensor.ts'
import { readSafetensors, writeSafetensors } from '../formats/safetensors.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { Graph } from '../graph/graph.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import { adapterStart, adaptGraph } from './adapt-graph.ts'
import { type Adapter, adapterFrom, mergeAdapter } from './adapter.ts'
import { ia3 } from './ia3.ts'
import { lora } from './lora.ts'
import type { AdapterMethod } from './method.ts'
import { peftConfigFile, peftModelFile, readPeft, writePeft } from './peft.ts'

/** Named as an exporter does it: one weight by its module, one by its node alone, a table, a convolution. */
function base(salt = 1): Graph {
  const g = new Emitter(table, new GraphBuilder('base'))
  const ids = g.builder.input('ids', { dtype: 'int64', shape: ['batch', 3] })
  const vectors = g.op('Gather', [g.constant(noise(salt, [7, 4]), 'model.embeddings.weight'), ids], { axis: 0 })
  const query = g.builder.within('/model/layer.0/query', () =>
    g.matMul(vectors, g.constant(noise(2, [4, 5]), 'onnx::MatMul_57')),
  )
  const biased = g.add(query, g.constant(noise(3, [5]), 'model.layer.0.query.bias'))
  const turned = g.transpose(biased, [0, 2, 1])
  return g.builder.finish([
    g.op('Conv', [
      turned,
      g.constant(noise(4, [2, 5, 2]), 'model.mix.weight'),
      g.constant(noise(5, [2]), 'model.mix.bias'),
    ]),
  ])
}

/** Numbers that are neither 0 nor 1, so that every part counts. */
async function trained(method: AdapterMethod, graph = base()): Promise<Adapter> {
  const start = adapterStart(adaptGraph(graph, method), createRandom(1))
  const parameters = new Map(
    [...start].map(([path, { shape, data }], i) => {
      const moved = noise(20 + i, shape, 0.1).data
      return [
        path,
        float32(
          shape,
          data.map((x, at) => x + moved[at]!),
        ),
      ] as const
    }),
  )
  return adapterFrom(graph, method, parameters)
}

const targets = ['embeddings', 'query', 'mix']
const settings = (files: Readonly<Record<string, Uint8Array>>) =>
  JSON.parse(new TextDecoder().decode(files[peftConfigFile])) as Record<string, unknown>

describe('the layout', () => {
  test('LoRA has the names and shapes of PEFT', async () => {
    const files = writePeft(
      base(),
      await trained(lora({ rank: 2, alpha: 6, targets, rankStabilized: true })),
      'some/model',
    )
    expect(settings(files)).toMatchObject({
      base_model_name_or_path: 'some/model',
      peft_type: 'LORA',
      r: 2,
      lora_alpha: 6,
      lora_dropout: 0,
      use_rslora: true,
      use_dora: false,
      bias: 'none',
      target_modules: ['model.embeddings', 'model.layer.0.query', 'model.mix'],
    })
    const { tensors, metadata } = readSafetensors(files[peftModelFile])
    expect([...tensors].map(([name, { shape }]) => [name, [...shape]])).toEqual([
      ['base_model.model.model.embeddings.lora_embedding_A', [2, 7]],
      ['base_model.model.model.embeddings.lora_embedding_B', [4, 2]],
      ['base_model.model.model.layer.0.query.lora_A.weight', [2, 4]],
      ['base_model.model.model.layer.0.query.lora_B.weight', [5, 2]],
      ['base_model.model.model.mix.lora_A.weight', [2, 5, 2]],
      ['base_model.model.model.mix.lora_B.weight', [2, 2, 1]],
    ])
    expect(metadata.format).toBe('pt')
  })

  test('lengths of decomposed adapters and factors of (IA)3 too', async () => {
    const dora = writePeft(base(), await trained(lora({ rank: 1, targets: ['query', 'mix'], decomposed: true })))
    const lengths = readSafetensors(dora[peftModelFile]).tensors
    expect(lengths.get('base_model.model.model.layer.0.query.lora_magnitude_vector')!.shape).toEqual([5])
    expect(lengths.get('base_model.model.model.mix.lora_magnitude_vector')!.shape).toEqual([1, 2, 1])
    const factors = writePeft(base(), await trained(ia3({ targets: ['query', 'mix'], feedForward: 'mix' })))
    expect(settings(factors)).toMatchObject({ peft_type: 'IA3', feedforward_modules: ['model.mix'] })
    const { tensors } = readSafetensors(factors[peftModelFile])
    expect(tensors.get('base_model.model.model.layer.0.query.ia3_l')!.shape).toEqual([5, 1])
    expect(tensors.get('base_model.model.model.mix.ia3_l')!.shape).toEqual([1, 5, 1])
  })
})

describe('there and back', () => {
  test.each([
    ['LoRA', lora({ rank: 2, alpha: 6, dropout: 0.1, targets })],
    ['decomposed', lora({ rank: 1, alpha: 2, targets: ['query', 'mix'], decomposed: true })],
    ['(IA)3', ia3({ targets: ['query', 'mix'], feedForward: 'mix' })],
  ])('%s', async (_, method) => {
    const adapter = await trained(method)
    const read = await readPeft(base(), writePeft(base(), adapter))
    expect([...read.parameters]).toEqual([...adapter.parameters])
    expect(read.base).toBe(adapter.base)
    const { targets: _targets, ...config } = read.method.config
    const { targets: _given, ...given } = method.config
    if (method.kind === 'lora') expect(config).toEqual(given)
    const [a, b] = [await mergeAdapter(base(), read), await mergeAdapter(base(), adapter)]
    expect(a.nodes.map(({ inputs }) => inputs.map((v) => v?.constant))).toEqual(
      b.nodes.map(({ inputs }) => inputs.map((v) => v?.constant)),
    )
  })

  test('tensors of half precision and modules without what stands in front of them', async () => {
    const adapter = await trained(lora({ rank: 1, targets: 'query' }))
    const files = writePeft(base(), adapter)
    const { tensors, metadata } = readSafetensors(files[peftModelFile])
    const upper = ({ shape, data }: Tensor) =>
      tensor(
        'bfloat16',
        shape,
        Uint16Array.from(new Uint32Array((data as Float32Array).slice().buffer), (bits) => bits >>> 16),
      )
    const short = new Map([...tensors].map(([name, t]) => [name.replace('model.layer', 'layer'), upper(t)]))
    const read = await readPeft(base(), { ...files, [peftModelFile]: writeSafetensors({ tensors: short, metadata }) })
    for (const [path, { data, shape }] of adapter.parameters) {
      const found = read.parameters.get(path)!.data as Float32Array
      expect(found.length).toBe(sizeOf(shape))
      for (const [i, x] of (data as Float32Array).entries())
        expect(Math.abs(found[i]! - x)).toBeLessThanOrEqual(Math.abs(x) / 128)
    }
  })
})

describe('what is wrong', () => {
  test('an adapter of another base is refused by its hash, unless that is asked for', async () => {
    const files = writePeft(base(), await trained(lora({ rank: 2, targets })))
    await expect(readPeft(base(9), files)).rejects.toThrow('the adapter was made for another base')
    await expect(mergeAdapter(base(9), await trained(lora({ rank: 2, targets })))).rejects.toThrow(
      'made for another base',
    )
    expect((await readPeft(base(9), files, { anyBase: true })).parameters.size).toBe(6)
  })

  test('weights that the adapter leaves alone may differ', async () => {
    const files = writePeft(base(), await trained(lora({ rank: 2, targets: 'query' })))
    expect((await readPeft(base(9), files)).parameters.size).toBe(2)
  })

  const changed = async (change: Record<string, unknown>) => {
    const files = writePeft(base(), await trained(lora({ rank: 2, targets })))
    const text = JSON.stringify({ ...settings(files), ...change })
    return readPeft(base(), { ...files, [peftConfigFile]: new TextEncoder().encode(text) })
  }

  test.each([
    [{ peft_type: 'ADALORA' }, 'peft_type is "ADALORA", covered are LORA and IA3'],
    [{ bias: 'all' }, 'bias is "all"'],
    [{ alpha_pattern: { query: 3 } }, 'alpha_pattern is set'],
    [{ r: 'two' }, 'r must be a number, received "two"'],
    [{ r: 1 }, "'model.embeddings.lora_embedding_A' has the shape [2, 7], the model's weight needs [1, 7]"],
  ])('settings %o', async (change, message) => {
    await expect(changed(change)).rejects.toThrow(message)
  })

  test('modules that the base does not have, files that are not there', async () => {
    const files = writePeft(base(), await trained(lora({ rank: 2, targets })))
    const { tensors, metadata } = readSafetensors(files[peftModelFile])
    const other = new Map([...tensors].map(([name, t]) => [name.replace('query', 'qurey'), t]))
    const wrong = { ...files, [peftModelFile]: writeSafetensors({ tensors: other, metadata }) }
    await expect(readPeft(base(), wrong)).rejects.toThrow(
      "the adapter changes 'model.layer.0.qurey', which the model does not have. Did you mean 'model.layer.0.query'?",
    )
    await expect(readPeft(base(), { [peftConfigFile]: files[peftConfigFile] })).rejects.toThrow(
      'adapter_model.safetensors is not there',
    )
    await expect(readPeft(base(), { ...files, [peftConfigFile]: Uint8Array.of(1) })).rejects.toThrow('is not JSON')
  })
})
