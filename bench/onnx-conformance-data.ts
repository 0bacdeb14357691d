/** ONNX' own test data as Debian ships it: 1072 models, each with inputs and the outputs that must come. Kept outside of the repository. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { messageOf, QuernError } from '../src/core/errors.ts'
import { runProcess } from './processes.ts'

/** Debian's package; its version is that of ONNX. */
export const testDataPackage = 'libonnx-testdata'

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'quern-bench', 'onnx')
const inside = ['usr', 'share', testDataPackage, 'data']

export interface TestModel {
  /** 'node/test_abs' */
  readonly name: string
  readonly model: Uint8Array
  /** messages of the inputs and of the expected outputs, in the order of the graph */
  readonly inputs: readonly Uint8Array[]
  readonly outputs: readonly Uint8Array[]
}

/**
 * Folder of the test data: the installed package's, or one that is downloaded into the cache and unpacked there, which needs
 * no rights of an administrator. Throws `missing` with the line that installs the package.
 */
export async function requireTestData(progress: (message: string) => void): Promise<string> {
  const places = [join('/', ...inside), join(cache, 'unpacked', ...inside)]
  const found = places.find((place) => existsSync(place))
  if (found !== undefined) return found
  try {
    progress(`apt-get download ${testDataPackage}`)
    mkdirSync(cache, { recursive: true })
    await runProcess(['apt-get', 'download', testDataPackage], { cwd: cache })
    const file = readdirSync(cache).find((name) => name.startsWith(testDataPackage) && name.endsWith('.deb'))
    await runProcess(['dpkg-deb', '-x', join(cache, file ?? ''), join(cache, 'unpacked')])
    return places[1]!
  } catch (cause) {
    throw new QuernError('missing', `ONNX' test data is not here: ${messageOf(cause).split('\n')[0]}`, {
      hint: `apt-get install ${testDataPackage}`,
      cause,
    })
  }
}

/** Folders of the models, sorted: 'node/test_abs'. */
export function testModelNames(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /(^|[\\/])model\.onnx$/.test(path))
    .map((path) => path.replaceAll('\\', '/').replace(/\/model\.onnx$/, ''))
    .sort()
}

/** A model with its one set of data. */
export async function readTestModel(folder: string, name: string): Promise<TestModel> {
  const data = join(folder, name, 'test_data_set_0')
  const messages = (kind: string): Promise<Uint8Array[]> => {
    const names = readdirSync(data).filter((file) => file.startsWith(`${kind}_`))
    const sorted = names.toSorted((a, b) => Number(/\d+/.exec(a)) - Number(/\d+/.exec(b)))
    return Promise.all(sorted.map((file) => readFile(join(data, file))))
  }
  const [model, inputs, outputs] = await Promise.all([
    readFile(join(folder, name, 'model.onnx')),
    messages('input'),
    messages('output'),
  ])
  return { name, model, inputs, outputs }
}
