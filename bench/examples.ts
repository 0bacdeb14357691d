/** Files of examples that both sides of a comparison read. Made, not downloaded: what a step costs does not depend on what it learns. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createRandom } from '../src/core/random.ts'
import { root } from './machine.ts'

const textSize = 1_000_000
const soundSize = 200_000

/** The pages of docs/, one behind the other and again until there is enough. */
export async function writeText(folder: string): Promise<string> {
  const pages = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).sort()
  const text = Buffer.concat(await Promise.all(pages.map((name) => readFile(join(root, 'docs', name)))))
  const path = join(folder, 'text.txt')
  await writeFile(path, Buffer.alloc(textSize, text))
  return path
}

export interface PictureShape {
  readonly channels: number
  readonly size: number
  readonly classes: number
  readonly count: number
}

/** Waves whose direction and length are those of the class, at a random place, under noise: a byte for the class, then the pixels. */
export async function writePictures(folder: string, { channels, size, classes, count }: PictureShape): Promise<string> {
  const random = createRandom(7)
  const length = channels * size * size
  const bytes = Buffer.alloc(count * (length + 1))
  for (let i = 0; i < count; i++) {
    const label = Math.floor(random.uniform() * classes)
    const angle = (Math.PI * label) / classes
    const phase = 2 * Math.PI * random.uniform()
    bytes[i * (length + 1)] = label
    for (let j = 0; j < length; j++) {
      const [row, column] = [Math.floor(j / size) % size, j % size]
      const along = row * Math.sin(angle) + column * Math.cos(angle)
      const wave = Math.sin(along / (1 + (label % 3)) + phase + Math.floor(j / (size * size)))
      bytes[i * (length + 1) + 1 + j] = 128 + 80 * wave + 40 * (random.uniform() - 0.5)
    }
  }
  const path = join(folder, 'pictures.bin')
  await writeFile(path, bytes)
  return path
}

/** Tones that come and go, in 256 steps as loud sounds are quantised (mu-law, ITU-T G.711 with mu = 255), one byte a sample. */
export async function writeSound(folder: string): Promise<string> {
  const random = createRandom(7)
  const bytes = Buffer.alloc(soundSize)
  for (let i = 0; i < soundSize; i++) {
    const tone = [0.031, 0.047, 0.11].reduce((sum, f, k) => sum + Math.sin(f * i) * Math.sin(i / (900 + 400 * k)), 0)
    const value = tone / 4 + 0.02 * (random.uniform() - 0.5)
    const compressed = (Math.sign(value) * Math.log1p(255 * Math.abs(value))) / Math.log1p(255)
    bytes[i] = Math.round(127.5 * (compressed + 1))
  }
  const path = join(folder, 'sound.bin')
  await writeFile(path, bytes)
  return path
}
