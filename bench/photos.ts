/** JPEGs of real photographs, as many as a benchmark wants: cut at random out of scikit-learn's two, in folders of classes. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { createRandom } from '../src/core/random.ts'
import { packedFile } from '../test/package-files.ts'

/** The size of a usual photograph of ImageNet. */
const [width, height] = [500, 375]

/** Writes `count` JPEGs of 500 x 375 into `folder/photos/china` and `.../flower`; returns the folder and the bytes of all. */
export async function writePhotos(folder: string, count: number): Promise<{ source: string; bytes: number }> {
  const random = createRandom(17)
  const source = join(folder, 'photos')
  let bytes = 0
  for (const [i, name] of ['china', 'flower'].entries()) {
    const images = 'usr/lib/python3/dist-packages/sklearn/datasets/images'
    const photo = await readFile(await packedFile('python3-sklearn=1.2.1+dfsg-1', `${images}/${name}.jpg`))
    await mkdir(join(source, name), { recursive: true })
    const whole = await sharp(photo).metadata()
    for (let k = i; k < count; k += 2) {
      const share = 0.6 + 0.4 * random.uniform()
      const [w, h] = [Math.floor(whole.width * share), Math.floor(whole.height * share)]
      const cut = {
        width: w,
        height: h,
        left: random.integer(whole.width - w + 1),
        top: random.integer(whole.height - h + 1),
      }
      const jpeg = await sharp(photo)
        .extract(cut)
        .flop(random.uniform() < 0.5)
        .resize(width, height, { fit: 'fill' })
        .jpeg({ quality: 90 })
        .toBuffer()
      bytes += jpeg.length
      await writeFile(join(source, name, `${k}.jpg`), jpeg)
    }
  }
  return { source, bytes }
}
