/** One training step of the seed's CNN beside PyTorch's, the seed's own framework's, and if asked for, TensorFlow.js'. */
import { mnistFolder } from '../test/mnist-files.ts'
import { compareSteps, stepOptions } from './compare-steps.ts'
import { peerProgram, requireTfjs } from './peers.ts'
import { runForJson } from './processes.ts'
import type { BenchContext, BenchRecord } from './record.ts'
import { rounded } from './statistics.ts'

async function besideTfjs(context: BenchContext, ours: number): Promise<Record<string, unknown>> {
  const installed = await requireTfjs(context.progress)
  const steps = context.number('tfjsSteps')
  const command = [process.execPath, peerProgram('tfjs-cnn-step.mjs'), mnistFolder, String(steps), installed]
  const tfjs = await runForJson<{ milliseconds: number; loss: number; version: string }>(command)
  return {
    peer: rounded(tfjs.milliseconds),
    ratio: rounded(tfjs.milliseconds / ours),
    peerCommand: `node bench/peers/tfjs-cnn-step.mjs MNIST ${steps} FOLDER`,
    peerVersion: `@tensorflow/tfjs ${tfjs.version}, cpu backend`,
    steps,
  }
}

export const cnnStep: BenchRecord = {
  name: 'cnn-step',
  title: "a training step of the seed's CNN, batch 32: times as fast as PyTorch, TensorFlow",
  takes: '1 minute a peer',
  needs: ['torch'],
  builds: true,
  options: {
    ...stepOptions({ steps: 400, rounds: 5 }),
    tfjs: { default: false, summary: 'TensorFlow.js too; installs it outside of the repository' },
    tfjsSteps: { default: 3, summary: 'steps of TensorFlow.js, about 2 s each' },
  },
  async run(context) {
    const figure = await compareSteps(context, {
      program: 'cnn-step',
      work: [mnistFolder],
      peers: {
        torch: { file: 'torch_cnn_step.py', floor: 3.5 },
        tensorflow: { file: 'tf_cnn_step.py', floor: 1 },
        'torch-pypi': { file: 'torch_cnn_step.py' },
      },
    })
    const tfjs = context.flag('tfjs') ? await besideTfjs(context, figure.ours.median) : undefined
    return { ...figure, batchSize: 32, ...(tfjs ? { tfjs } : {}) }
  },
}
