/** ONNX' own test data as Debian ships it: 1072 models, each with inputs and the outputs that must come. Kept outside of the repository. */
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageFolder } from '../test/package-files.ts'

/** Debian's package; its version is that of ONNX. */
export const testDataPackage = 'libonnx-testdata'
const version = '1.12.0-2'

export interface TestModel {
  /** 'node/test_abs' */
  readonly name: string
  readonly model: Uint8Array
  /** messages of the inputs and of the expected outputs, in the order of the graph */
  readonly inputs: readonly Uint8Array[]
  readonly outputs: readonly Uint8Array[]
}

/** Folder of the test data, fetched at the first call. Throws `missing` with the line that fetches the package. */
export async function testDataFolder(): Promise<string> {
  return join(await packageFolder(`${testDataPackage}=${version}`), 'usr', 'share', testDataPackage, 'data')
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
