/**
 * A decoder as ONNX Runtime GenAI's model builder writes it: fused grouped attention with rotary positions and a cache, root mean square normalisation fused
 * with the sum before it, names of nodes and weights as there. Two layers, of noise.
 */
import { float32, type Tensor } from '../src/core/tensor.ts'
import { GraphBuilder } from '../src/graph/builder.ts'
import type { Graph, Value } from '../src/graph/graph.ts'
import { Emitter } from '../src/ops/emitter.ts'
import { table } from '../src/ops/index.ts'
import { noise } from './run-layer.ts'

const contrib = 'com.microsoft'
export const decoderSizes = {
  vocabulary: 24,
  hidden: 32,
  heads: 4,
  groups: 2,
  size: 16,
  inner: 48,
  layers: 2,
  positions: 16,
}

/** @param packed queries, keys and values come from one product, as the builder writes them where it can */
export function decoderFile({ packed }: { readonly packed: boolean }): Graph {
  const { vocabulary, hidden, heads, groups, size, inner, layers, positions } = decoderSizes
  const g = new Emitter(table, new GraphBuilder('main_graph'))
  const ids = g.builder.input('input_ids', { dtype: 'int64', shape: ['batch_size', 'sequence_length'] })
  const mask = g.builder.input('attention_mask', { dtype: 'int64', shape: ['batch_size', 'total_sequence_length'] })
  let salt = 0
  const weight = (name: string, shape: readonly number[], scale = 0.2): Value =>
    g.constant(noise(salt++, shape, scale), name)
  const ones = (name: string): Value => g.constant(shifted(noise(salt++, [hidden], 0.1)), name)
  const product = (x: Value, path: string, from: number, to: number): Value =>
    g.builder.within(path, () => g.matMul(x, weight(`${path.slice(1).replaceAll('/', '.')}.MatMul.weight`, [from, to])))
  const [lengths, total] = [
    g.cast(g.sub(g.op('ReduceSum', [mask, g.integers([1])], { keepdims: 1 }), g.integers([1])), 'int32'),
    g.cast(g.op('Gather', [g.op('Shape', [mask]), g.integers([1])], { axis: 0 }), 'int32'),
  ]
  const [cosines, sines] = rotaryCaches(positions, size / 2).map((cache, i) =>
    g.constant(cache, i === 0 ? 'cos_cache' : 'sin_cache'),
  )
  let x = g.op('Gather', [weight('model.embed_tokens.weight', [vocabulary, hidden], 1), ids], { axis: 0 })
  let normed = g.op('SimplifiedLayerNormalization', [x, ones('model.layers.0.input_layernorm.weight')], {
    axis: -1,
    epsilon: 1e-5,
  })
  const caches: Value[] = []
  const sumAndNorm = (by: Value, name: string): void => {
    const outputs = g.ops('SkipSimplifiedLayerNormalization', [x, by, ones(name)], { epsilon: 1e-5 }, 4, contrib)
    normed = outputs[0]!
    x = outputs[3]!
  }
  for (let layer = 0; layer < layers; layer++) {
    const at = `/model/layers.${layer}`
    const past = ['key', 'value'].map((kind) =>
      g.builder.input(`past_key_values.${layer}.${kind}`, {
        dtype: 'float32',
        shape: ['batch_size', groups, 'past_sequence_length', size],
      }),
    )
    const parts = packed
      ? [product(normed, `${at}/attn/qkv_proj`, hidden, (heads + 2 * groups) * size), undefined, undefined]
      : [heads, groups, groups].map((count, i) => product(normed, `${at}/attn/${'qkv'[i]}_proj`, hidden, count * size))
    const [attended, ...present] = g.builder.within(`${at}/attn`, () =>
      g.ops(
        'GroupQueryAttention',
        [...parts, ...past, lengths, total, cosines, sines],
        { num_heads: heads, kv_num_heads: groups, scale: 1 / Math.sqrt(size), do_rotary: 1, local_window_size: -1 },
        3,
        contrib,
      ),
    )
    caches.push(...present)
    sumAndNorm(
      product(attended!, `${at}/attn/o_proj`, heads * size, hidden),
      `model.layers.${layer}.post_attention_layernorm.weight`,
    )
    const gate = product(normed, `${at}/mlp/gate_proj`, hidden, inner)
    const up = product(normed, `${at}/mlp/up_proj`, hidden, inner)
    const down = product(g.mul(g.mul(gate, g.op('Sigmoid', [gate])), up), `${at}/mlp/down_proj`, inner, hidden)
    const next =
      layer + 1 < layers
        ? `model.layers.${layer + 1}.input_layernorm.weight`
        : `model.layers.${layers}.final_norm_layernorm.weight`
    sumAndNorm(down, next)
  }
  const logits = product(normed, '/lm_head', hidden, vocabulary)
  return g.builder.finish([logits, ...caches])
}

const shifted = (t: Tensor<Float32Array>): Tensor<Float32Array> =>
  float32(
    t.shape,
    t.data.map((each) => 1 + each),
  )

/** Cosines and sines of position / 10000^(i / half), `[positions, half]` each. */
function rotaryCaches(positions: number, half: number): Tensor[] {
  const angles = Float32Array.from(
    { length: positions * half },
    (_, i) => Math.floor(i / half) / 10_000 ** ((i % half) / half),
  )
  return [Math.cos, Math.sin].map((of) => float32([positions, half], angles.map(of)))
}
