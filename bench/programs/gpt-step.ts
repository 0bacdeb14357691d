/**
 * Training steps of a small GPT on bytes of a text, the counterpart of peers/torch_gpt_step.py: the same sizes and initial values, AdamW.
 * usage: gpt-step TEXT_FILE LAYERS,HEADS,WIDTH,CONTEXT,BATCH,VOCABULARY STEPS THREADS [PROFILE_PREFIX] [none|all|cheap]; the last is
 * what is computed again in place of being kept, and asks for 2 steps of warming up in place of 10; prints one JSON line.
 */
import { adamw } from '../../src/optim/index.ts'
import { readTokens } from './example-files.ts'
import { stepArguments } from './measured-steps.ts'
import { gpt, measureSequenceModel } from './next-in-sequence.ts'

const { file, sizes } = stepArguments()
const [layers = 4, numHeads = 4, width = 128, context = 64, batchSize = 12, vocabulary = 65] = sizes
const again = process.argv[7]

await measureSequenceModel({
  model: gpt({ layers, numHeads, width, vocabulary }),
  sequence: readTokens(file, vocabulary),
  context,
  batchSize,
  optimizer: (options) => adamw({ ...options, weightDecay: 0.01 }),
  learningRate: 0.001,
  warmUp: again === undefined ? 10 : 2,
  again,
})
