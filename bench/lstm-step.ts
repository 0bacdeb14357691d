/** A training step of a language model of LSTM layers beside PyTorch's. */
import { compareSteps, stepOptions } from './compare-steps.ts'
import { writeText } from './examples.ts'
import type { BenchRecord } from './record.ts'
import { sizesOf } from './sizes.ts'

const usual = '2,256,128,32,65'

export const lstmStep: BenchRecord = {
  name: 'lstm-step',
  title: 'a training step of 2 LSTM layers of 256 over 128 steps, batch 32, Adam: times as fast as PyTorch',
  takes: '1 minute',
  needs: ['torch'],
  builds: true,
  options: {
    shape: { default: usual, summary: 'layers,units,context,batch,vocabulary' },
    ...stepOptions({ steps: 20, rounds: 5 }),
  },
  async run(context) {
    const shape = context.text('shape')
    sizesOf(shape, usual)
    const program = 'torch_lstm_step.py'
    return compareSteps(context, {
      program: 'lstm-step',
      work: [await writeText(context.folder), shape],
      peers: { torch: { file: program, ...(shape === usual ? { floor: 1 } : {}) }, 'torch-pypi': { file: program } },
    })
  },
}
