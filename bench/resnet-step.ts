/** A training step of ResNet-18 on small pictures beside PyTorch's. */
import { compareSteps, stepOptions } from './compare-steps.ts'
import { writePictures } from './examples.ts'
import type { BenchRecord } from './record.ts'
import { sizesOf } from './sizes.ts'

const usual = '32,3,32,10'

export const resnetStep: BenchRecord = {
  name: 'resnet-step',
  title: 'a training step of ResNet-18 on 32 x 32 pictures, batch 32, momentum: times as fast as PyTorch',
  takes: '5 minutes',
  needs: ['torch'],
  builds: true,
  options: {
    shape: { default: usual, summary: 'batch,channels,size,classes' },
    ...stepOptions({ steps: 6, rounds: 3 }),
  },
  async run(context) {
    const shape = context.text('shape')
    const [batch, channels, size, classes] = sizesOf(shape, usual) as [number, number, number, number]
    const file = await writePictures(context.folder, { channels, size, classes, count: 16 * batch })
    const program = 'torch_resnet_step.py'
    return compareSteps(context, {
      program: 'resnet-step',
      work: [file, shape],
      peers: { torch: { file: program, ...(shape === usual ? { floor: 1 } : {}) }, 'torch-pypi': { file: program } },
    })
  },
}
