/** Normalisations written in other operators, for layers. */
import { requireStatic, sizeOf } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'

/**
 * Batch normalisation while training: y, and mean and population variance of this batch, [channels] each. One operator: the runtime's CPU kernel
 * has the training mode; with momentum 0 its running statistics are the batch's own, and the gradient reuses them.
 */
export function batchNormalizationTraining(
  g: Emitter,
  x: Value,
  scale: Value,
  bias: Value,
  epsilon = 1e-5,
): { y: Value; mean: Value; variance: Value } {
  // The running statistics that momentum 0 forgets: any finite values of the right shape.
  const inputs = [x, scale, bias, bias, scale]
  const [y, mean, variance] = g.ops('BatchNormalization', inputs, { training_mode: 1, momentum: 0, epsilon }, 3)
  return { y: y!, mean: mean!, variance: variance! }
}

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
