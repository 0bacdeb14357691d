/**
 * Writes parcels.csv and labels/*.png: parcels whose price follows from four columns of four kinds, each of which is needed. The picture is a real
 * handwritten digit of MNIST, the zone; the rest is made up by a rule that is written here, so that one can say what a model could know at best.
 *
 *     node --import ../../scripts/typescript.mjs write-parcels.ts [folder] [rows]
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createRandom } from '../../src/core/random.ts'
import { tensor } from '../../src/core/tensor.ts'
import { encodePng } from '../../src/data/sharp-encoder.ts'
import { mnistFile } from '../../test/mnist-files.ts'

const carriers = { bike: 1, van: 3, post: 2 } as const
const notes = {
  plain: ['leave it at the door please', 'ring twice please', 'the gate is open'],
  fragile: ['handle with care please it is fragile', 'fragile glass inside', 'careful this side up fragile'],
}

/** Price in francs: the zone, half of the weight, the carrier, and 4 more for what is fragile; with a noise of 0.2. */
export async function writeParcels(folder: string, rows: number): Promise<void> {
  const random = createRandom(11)
  const images = await readFile(mnistFile('train-images-idx3-ubyte'))
  const digits = await readFile(mnistFile('train-labels-idx1-ubyte'))
  await mkdir(join(folder, 'labels'), { recursive: true })
  const pick = <T>(from: readonly T[]): T => from[random.integer(from.length)]!
  const lines: string[] = []
  for (let i = 0; i < rows; i++) {
    const zone = digits[8 + i]!
    const pixels = Uint8Array.from(images.subarray(16 + i * 784, 16 + (i + 1) * 784))
    await writeFile(join(folder, 'labels', `${i}.png`), await encodePng(tensor('uint8', [1, 28, 28], pixels)))
    const carrier = pick(Object.keys(carriers) as (keyof typeof carriers)[])
    const isFragile = random.uniform() < 0.3
    const weight = 10 * random.uniform()
    const price = zone + weight / 2 + carriers[carrier] + (isFragile ? 4 : 0) + 0.2 * random.normal()
    const note = pick(isFragile ? notes.fragile : notes.plain)
    lines.push([`labels/${i}.png`, weight.toFixed(2), carrier, note, price.toFixed(2)].join(','))
  }
  await writeFile(join(folder, 'parcels.csv'), `label,weight,carrier,note,price\n${lines.join('\n')}\n`)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [folder = import.meta.dirname, rows = '4000'] = process.argv.slice(2)
  await writeParcels(folder, Number(rows))
  console.log(`wrote ${join(folder, 'parcels.csv')} and its pictures`)
}
