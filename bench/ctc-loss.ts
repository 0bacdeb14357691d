/** The loss of connectionist temporal classification with its gradient, beside PyTorch's. */
import { compareSteps, stepOptions } from './compare-steps.ts'
import type { BenchRecord } from './record.ts'
import { sizesOf } from './sizes.ts'

const usual = '32,100,20,100'

export const ctcLoss: BenchRecord = {
  name: 'ctc-loss',
  title: 'CTC and its gradient, batch 32, 100 steps, 20 labels, 100 classes: times as fast as PyTorch',
  takes: '1 minute',
  needs: ['torch'],
  builds: true,
  options: {
    shape: { default: usual, summary: 'batch,steps,labels,classes' },
    ...stepOptions({ steps: 50, rounds: 5 }),
  },
  async run(context) {
    const shape = context.text('shape')
    sizesOf(shape, usual)
    const program = 'torch_ctc_loss.py'
    return compareSteps(context, {
      program: 'ctc-loss',
      work: ['-', shape],
      peers: { torch: { file: program }, 'torch-pypi': { file: program } },
    })
  },
}
