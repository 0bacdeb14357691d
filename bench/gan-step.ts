/** A training step of a DCGAN, both updates, beside PyTorch's. */
import { compareSteps, stepOptions } from './compare-steps.ts'
import { writePictures } from './examples.ts'
import type { BenchRecord } from './record.ts'
import { sizesOf } from './sizes.ts'

const usual = '64,100,64'

export const ganStep: BenchRecord = {
  name: 'gan-step',
  title: 'a training step of a DCGAN on 28 x 28 pictures, batch 64, both updates, Adam: times as fast as PyTorch',
  takes: '1 minute',
  needs: ['torch'],
  builds: true,
  options: {
    shape: { default: usual, summary: 'batch,latent,filters' },
    ...stepOptions({ steps: 20, rounds: 5 }),
  },
  async run(context) {
    const shape = context.text('shape')
    const [batch] = sizesOf(shape, usual) as [number]
    const program = 'torch_gan_step.py'
    return compareSteps(context, {
      program: 'gan-step',
      work: [await writePictures(context.folder, { channels: 1, size: 28, classes: 10, count: 16 * batch }), shape],
      peers: { torch: { file: program, ...(shape === usual ? { floor: 1 } : {}) }, 'torch-pypi': { file: program } },
    })
  },
}
