/** The seed's multilayer perceptron 784-100-10, trained as its CNN is. */
import type { BenchRecord } from './record.ts'

export const mnistMlp: BenchRecord = {
  name: 'mnist-mlp',
  title: "the seed's MLP on MNIST, 10 epochs of batches of 32: test accuracy",
  takes: '20 seconds a seed',
  needs: [],
  builds: false,
  options: {
    seeds: { default: 1, summary: 'models to train; the value is their mean' },
    epochs: { default: 10, summary: 'passes over the training images' },
    examples: { default: 0, summary: 'first training images only, for a trial; 0: all' },
  },
  async run(context) {
    const { trainMnist } = await import('./train-mnist.ts')
    const train = { epochs: context.number('epochs'), batchSize: 32, optimizer: 'adam' }
    const amount = { seeds: context.number('seeds'), examples: context.number('examples') }
    return { ...(await trainMnist(context, { config: { model: 'mlp', train }, ...amount })), floor: 0.975 }
  },
}
