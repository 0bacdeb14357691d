/** A training step of WaveNet beside PyTorch's. */
import { compareSteps, stepOptions } from './compare-steps.ts'
import { writeSound } from './examples.ts'
import type { BenchRecord } from './record.ts'
import { sizesOf } from './sizes.ts'

const usual = '10,2,32,64,2048,4'

export const wavenetStep: BenchRecord = {
  name: 'wavenet-step',
  title: 'a training step of WaveNet, 2 stacks of 10 blocks, 2048 samples, batch 4, Adam: times as fast as PyTorch',
  takes: '1 minute',
  needs: ['torch'],
  builds: true,
  options: {
    shape: { default: usual, summary: 'blocks,stacks,filters,skip filters,length,batch' },
    ...stepOptions({ steps: 20, rounds: 5 }),
  },
  async run(context) {
    const shape = context.text('shape')
    sizesOf(shape, usual)
    const program = 'torch_wavenet_step.py'
    return compareSteps(context, {
      program: 'wavenet-step',
      work: [await writeSound(context.folder), shape],
      peers: { torch: { file: program, ...(shape === usual ? { floor: 1 } : {}) }, 'torch-pypi': { file: program } },
    })
  },
}
