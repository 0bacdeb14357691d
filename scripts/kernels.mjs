/**
 * Builds the WebAssembly kernels when their source is newer than what was built from it. The builder itself stands beside
 * the kernels and decides what it writes; this file knows only when to call it.
 */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { filesBelow, root, run } from './tools.mjs'

const builders = ['src/runtime/kernels/build.mjs', 'scripts/build-kernels.mjs']
const source = 'src/runtime/kernels/assembly'
const generated = 'src/runtime/kernels/generated'
const stamp = 'node_modules/.cache/quern/kernels.txt'

/** A hash of the sources and of what was built: contents, since a fresh clone gives every file the same time. */
function fingerprint(builder) {
  const hash = createHash('sha256').update(readFileSync(`${root}/${builder}`))
  for (const folder of [source, generated]) {
    for (const name of filesBelow(`${root}/${folder}`).sort()) {
      hash.update(`${folder}/${name}\n`).update(readFileSync(`${root}/${folder}/${name}`))
    }
  }
  return hash.digest('hex')
}

export async function buildKernels() {
  const builder = builders.find((path) => existsSync(`${root}/${path}`))
  if (builder === undefined) return
  const known = existsSync(`${root}/${stamp}`) ? readFileSync(`${root}/${stamp}`, 'utf8') : ''
  if (known === fingerprint(builder)) return
  const { code, output } = await run([process.execPath, builder], { quiet: true })
  if (code !== 0) throw new Error(`${builder} failed:\n${output}`)
  mkdirSync(`${root}/node_modules/.cache/quern`, { recursive: true })
  writeFileSync(`${root}/${stamp}`, fingerprint(builder))
}
