/** One training step of a small GPT beside other frameworks: layers, heads, width, context, batch and vocabulary are those of `--shape`. */
import { compareSteps, stepOptions } from './compare-steps.ts'
import { writeText } from './examples.ts'
import type { BenchRecord } from './record.ts'
import { sizesOf } from './sizes.ts'

const small = '4,4,128,64,12,65'
/** How many times as fast as Debian's PyTorch a shape must be; the larger one runs near the rate of the matrix products on both sides. */
const floors: Readonly<Record<string, number>> = { [small]: 4, '6,6,384,128,8,65': 2.7 }

export const gptStep: BenchRecord = {
  name: 'gpt-step',
  title: 'a training step of a small GPT: times as fast as PyTorch, JAX, TensorFlow',
  takes: '2 minutes a peer',
  needs: ['torch'],
  builds: true,
  options: {
    shape: { default: small, summary: 'layers,heads,width,context,batch,vocabulary; the larger is 6,6,384,128,8,65' },
    ...stepOptions({ steps: 60, rounds: 5 }),
  },
  async run(context) {
    const shape = context.text('shape')
    sizesOf(shape, small)
    const floor = floors[shape]
    const demanded = floor === undefined ? {} : { floor: 1 }
    return compareSteps(context, {
      program: 'gpt-step',
      work: [await writeText(context.folder), shape],
      peers: {
        torch: { file: 'torch_gpt_step.py', ...(floor === undefined ? {} : { floor }) },
        jax: { file: 'jax_gpt_step.py', ...demanded },
        tensorflow: { file: 'tf_gpt_step.py', ...demanded },
        'torch-pypi': { file: 'torch_gpt_step.py' },
      },
    })
  },
}
