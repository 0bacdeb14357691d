/** L-BFGS on a training step: the loss of all examples at once, for small models and small data. */
import type { Tensor } from '../core/tensor.ts'
import { type LbfgsOptions, lbfgs, type Minimum } from '../optim/lbfgs.ts'
import type { Optimizer } from '../optim/optimizer.ts'
import type { Given } from '../optim/options.ts'
import type { TrainingStep } from './step.ts'

const slot = 'keptGradient'

/** An optimizer that moves nothing: it keeps the gradient where `minimize` finds it. */
export const gradientKeeper: Optimizer = {
  name: 'gradientKeeper',
  config: { name: 'gradientKeeper', learningRate: 1 },
  slots: [slot],
  update(kernels, { gradients, slots, count }, { gradientScale }) {
    kernels.copy(slots[0]!, gradients, count)
    if (gradientScale !== 1) kernels.scale(slots[0]!, count, gradientScale)
  },
}

/**
 * Minimises the loss of the first `count` examples of the step's batch, penalties included, by L-BFGS; the parameters end at the least point
 * found. The step must have been made with `gradientKeeper` and room for all examples. Draws (dropout) are those of step 1 at every evaluation.
 *
 * @throws QuernError 'numeric' where the loss is not finite, 'config' for options out of range
 * @example
 * const step = await createTrainingStep({ ...options, optimizer: gradientKeeper, batchSize: examples })
 * const { value, reason } = await minimize(step, examples, { historySize: 10 })
 */
export async function minimize(step: TrainingStep, count: number, options: Given<LbfgsOptions> = {}): Promise<Minimum> {
  const paths = [...step.state.keys()].flatMap((key) =>
    key.startsWith(`${slot}/`) ? [key.slice(slot.length + 1)] : [],
  )
  const views = (region: string) =>
    paths.map((path) => (step.state.get(`${region}/${path}`) as Tensor<Float32Array>).data)
  const [parameters, gradients] = [views('parameters'), views(slot)]
  const size = parameters.reduce((sum, { length }) => sum + length, 0)
  const gather = (from: readonly Float32Array[]) => {
    const all = new Float64Array(size)
    let at = 0
    for (const data of from) {
      all.set(data, at)
      at += data.length
    }
    return all
  }
  const scatter = (x: Float64Array) => {
    let at = 0
    for (const data of parameters) {
      data.set(x.subarray(at, at + data.length))
      at += data.length
    }
  }
  const found = await lbfgs(
    async (x) => {
      scatter(x)
      const { loss } = await step.run(count, 1, 1)
      return { value: loss, gradient: gather(gradients) }
    },
    gather(parameters),
    options,
  )
  scatter(found.x)
  return found
}
