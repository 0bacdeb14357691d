/** The MNIST files as a project's data folder: all of them, or the first examples where a trial run is wanted. */
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type MnistFile, mnistFile } from '../test/mnist-files.ts'

export interface MnistPart {
  /** of the training file, and a sixth of it of the test file; 0: all 60,000 and 10,000 */
  readonly examples: number
  /** false: the test files are not even there, so nothing can be chosen by them */
  readonly test: boolean
}

/** Fills `folder/mnist` and returns its path. */
export async function mnistSource(folder: string, { examples, test }: MnistPart): Promise<string> {
  const source = join(folder, 'mnist')
  await mkdir(source, { recursive: true })
  for (const split of test ? (['train', 't10k'] as const) : (['train'] as const)) {
    const count = split === 'train' ? examples : Math.ceil(examples / 6)
    for (const ending of ['images-idx3-ubyte', 'labels-idx1-ubyte'] as const) {
      const name: MnistFile = `${split}-${ending}`
      if (examples === 0) await symlink(mnistFile(name), join(source, name))
      else await writeFile(join(source, name), firstExamples(await readFile(mnistFile(name)), count))
    }
  }
  return source
}

/** An IDX file of the first examples of another: magic, count (32 bits, big endian), other sizes, values. */
function firstExamples(file: Uint8Array, count: number): Uint8Array {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const rank = file[3]!
  let size = 1
  for (let axis = 1; axis < rank; axis++) size *= view.getUint32(4 + 4 * axis)
  const header = 4 + 4 * rank
  const part = file.slice(0, header + count * size)
  new DataView(part.buffer).setUint32(4, count)
  return part
}
