/** How cells that refer to pictures and sounds are read in Node. */
import { readFile } from 'node:fs/promises'
import type { CellReaders } from '../features/own-feature.ts'
import { createSharpDecoder } from '../sharp-decoder.ts'

/** Files of this machine, pictures through sharp, which is loaded here. */
export async function openCellFiles(): Promise<CellReaders> {
  return { images: await createSharpDecoder(), readFile: (path) => readFile(path) }
}
