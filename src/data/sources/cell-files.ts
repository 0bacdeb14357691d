/** How cells that refer to pictures and sounds are read in Node. */
import { readFile } from 'node:fs/promises'
import type { CellReaders } from '../features/own-feature.ts'
import { createPictureDecoder } from '../picture-decoder.ts'

/** Files of this machine, pictures through sharp, which is loaded here. */
export async function openCellFiles(): Promise<CellReaders> {
  return { images: await createPictureDecoder(), readFile: (path) => readFile(path) }
}
