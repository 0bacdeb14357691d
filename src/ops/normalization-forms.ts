/** Normalisations written in other operators, for layers. */
import { requireStatic, sizeOf } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'

/**
 * Group normalisation (Wu and He 2018), x [batch, channels, ...], scale and bias [channels]: instance normalisation of groups of channels, then
 * scale and bias a channel.
 */
export function groupNormalization(
  g: Emitter,
  x: Value,
  scale: Value,
  bias: Value,
  groups: number,
  epsilon = 1e-5,
): Value {
  const [n, ...rest] = shapeOf(x)
  const sizes = requireStatic(rest, 'group normalisation')
  const dtype = dtypeOf(x)
  const filled = (value: number) =>
    g.constant(tensorFromNumbers(dtype, [groups], new Array<number>(groups).fill(value)))
  const grouped = g.reshape(x, [n!, groups, sizeOf(sizes) / groups])
  const xhat = g.reshape(g.op('InstanceNormalization', [grouped, filled(1), filled(0)], { epsilon }), [n!, ...sizes])
  const shape = [1, sizes[0]!, ...sizes.slice(1).map(() => 1)]
  return g.add(g.mul(xhat, g.reshape(scale, shape)), g.reshape(bias, shape))
}
