/** What the programs share whose model says, at each place of a sequence, which class comes next: the GPT, windows of the sequence, the step. */
import { createRandom } from '../../src/core/random.ts'
import * as nn from '../../src/nn/index.ts'
import { table } from '../../src/ops/index.ts'
import type { Optimizer } from '../../src/optim/index.ts'
import { gradientRules } from '../../src/optim/update.ts'
import { createNodeBackend } from '../../src/runtime/onnxruntime-node.ts'
import { createTrainingStep, type TrainingStep } from '../../src/train/step.ts'
import { measureSteps, stepArguments } from './measured-steps.ts'

export interface SequenceWork {
  /** `[batch, context]` whole numbers -> `[batch, context, classes]`, not normalised */
  readonly model: nn.Layer
  /** classes, one behind the other */
  readonly sequence: Int32Array
  readonly context: number
  readonly batchSize: number
  readonly optimizer: (options: { learningRate: number }) => Optimizer
  readonly learningRate: number
  readonly warmUp?: number
  /** what is computed again in place of being kept: 'all', 'cheap', or anything else for nothing */
  readonly again?: string | undefined
  /** sees the step before it runs: to draw values as the peer does */
  readonly prepare?: (step: TrainingStep) => void
}

/** Runs and measures the steps; what they read is what `windows` of peers/measured_steps.py gives. */
export async function measureSequenceModel(work: SequenceWork): Promise<void> {
  const { steps, session } = stepArguments()
  const { model, sequence, context, batchSize, learningRate, again } = work
  const step = await createTrainingStep({
    network: {
      model,
      loss: nn.sparseCategoricalCrossentropy({ fromLogits: true }),
      inputs: [{ name: 'now', dtype: 'int32', shape: [context] }],
      target: { name: 'next', dtype: 'int32', shape: [context] },
      table,
    },
    optimizer: work.optimizer({ learningRate }),
    backend: createNodeBackend(),
    session,
    random: createRandom(1),
    batchSize,
    evaluationBatchSize: batchSize,
    rules: gradientRules({}),
    recompute: again === 'all' || again === 'cheap' ? again : undefined,
    // Nobody reads the predictions, here as in the peers.
    keepOutputs: false,
  })
  work.prepare?.(step)
  const [now, next] = [step.batch.now!.data as Int32Array, step.batch.next!.data as Int32Array]
  const run = async (i: number): Promise<number> => {
    for (let row = 0; row < batchSize; row++) {
      const at = ((i * batchSize + row) * 997) % (sequence.length - context - 1)
      now.set(sequence.subarray(at, at + context), row * context)
      next.set(sequence.subarray(at + 1, at + context + 1), row * context)
    }
    return (await step.run(batchSize, i + 1, learningRate)).loss
  }
  await measureSteps(run, steps, step, work.warmUp)
}

export interface GptSizes {
  readonly layers: number
  readonly numHeads: number
  readonly width: number
  readonly vocabulary: number
}

/** GPT-2's layers with its initial values, as in the peers: normal, 0.02; biases 0. */
export function gpt({ layers, numHeads, width, vocabulary }: GptSizes): nn.Layer {
  const normal = { name: 'randomNormal', stddev: 0.02 } as const
  const options = { numHeads, epsilon: 1e-5, kernelInitializer: normal }
  return nn.sequential([
    nn.embedding({ inputDim: vocabulary, outputDim: width, embeddingsInitializer: normal }),
    nn.positionEmbedding({ initializer: normal }),
    ...Array.from({ length: layers }, () => nn.transformerDecoder(options)),
    nn.layerNormalization({ epsilon: 1e-5 }),
    nn.dense({ units: vocabulary, useBias: false, kernelInitializer: normal }),
  ])
}
