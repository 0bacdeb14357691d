/** Initial values of PyTorch's nn.Linear in a layer of ours, so that the losses of both sides begin in the same place. */
import { createRandom } from '../../src/core/random.ts'
import type { TrainingStep } from '../../src/train/step.ts'

/** Draws kernel and bias of a dense layer from the even distribution between -1 and 1 over the root of its inputs. */
export function drawAsTorchLinear(step: Pick<TrainingStep, 'parameters'>, layer: string): void {
  const random = createRandom(1).fork(layer)
  const bound = 1 / Math.sqrt(step.parameters.get(`${layer}/kernel`)!.shape[0]!)
  for (const name of ['kernel', 'bias']) {
    const values = step.parameters.get(`${layer}/${name}`)!.data as Float32Array
    for (let i = 0; i < values.length; i++) values[i] = bound * (2 * random.uniform() - 1)
  }
}
