/**
 * Builds WebAssembly kernels when their source is newer than what was built from it. The builders themselves stand beside
 * the kernels and decide what they write; this file knows only when to call them.
 */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { filesBelow, root, run } from './tools.mjs'

const folders = ['src/runtime/kernels', 'src/data/jpeg']
const stamps = 'node_modules/.cache/quern'

/** A hash of the sources and of what was built: contents, since a fresh clone gives every file the same time. */
function fingerprint(folder) {
  const hash = createHash('sha256').update(readFileSync(`${root}/${folder}/build.mjs`))
  for (const part of ['assembly', 'generated']) {
    for (const name of filesBelow(`${root}/${folder}/${part}`).sort()) {
      hash.update(`${part}/${name}\n`).update(readFileSync(`${root}/${folder}/${part}/${name}`))
    }
  }
  return hash.digest('hex')
}

export async function buildKernels() {
  for (const folder of folders) {
    const stamp = `${root}/${stamps}/kernels-${folder.replaceAll('/', '-')}.txt`
    const known = existsSync(stamp) ? readFileSync(stamp, 'utf8') : ''
    if (known === fingerprint(folder)) continue
    const { code, output } = await run([process.execPath, `${folder}/build.mjs`], { quiet: true })
    if (code !== 0) throw new Error(`${folder}/build.mjs failed:\n${output}`)
    mkdirSync(`${root}/${stamps}`, { recursive: true })
    writeFileSync(stamp, fingerprint(folder))
  }
}
