/** The same network without what it has learnt: what a comparison with training from scratch begins with. */
import { type Node, readModel, writeModel } from 'quern/engine'
import { createRandom, importedLayers, importedWeights, type Random } from 'quern/nn'

/** The file with random weights: He's normal distribution for products and convolutions, 1 and 0 for scales and shifts. */
export async function untrained(bytes: Uint8Array, seed: number): Promise<Uint8Array> {
  const { graph } = await readModel(bytes)
  const random = createRandom(seed)
  const weights = new Set(importedWeights(importedLayers(graph)).map(({ value }) => value))
  for (const node of graph.nodes) {
    for (const [slot, value] of node.inputs.entries()) {
      const isStatistic = node.op === 'BatchNormalization' && slot > 0
      if (!value?.constant || !(isStatistic || weights.has(value))) continue
      const data = value.constant.data as Float32Array
      data.set(start(node, slot, value.constant.shape, random, data.length))
    }
  }
  return writeModel(graph).model
}

function start({ op }: Node, slot: number, shape: readonly number[], random: Random, size: number): Float32Array {
  // scale, shift, mean and variance of batch normalisation
  if (op === 'BatchNormalization') return new Float32Array(size).fill(slot === 1 || slot === 4 ? 1 : 0)
  if (shape.filter((length) => length !== 1).length < 2) return new Float32Array(size).fill(op === 'Mul' ? 1 : 0)
  // [out, in, ...window] of a convolution, [in, out] of a product
  const fanIn = op === 'Conv' ? size / shape[0]! : shape[0]!
  return Float32Array.from({ length: size }, () => random.normal() * Math.sqrt(2 / fanIn))
}
