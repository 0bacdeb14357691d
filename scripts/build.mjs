/**
 * `npm run build`: src/ -> dist/. Kernels when stale, the compiler (incremental), files that are not TypeScript, and the
 * command line made executable. What no longer has a source is removed from dist/.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildKernels } from './kernels.mjs'
import { filesBelow, root, run, tool, writtenAt } from './tools.mjs'

const isCode = (name) => name.endsWith('.ts')
const isLeftOut = (name) => /\.(test\.ts|mjs|d\.mts|proto)$/.test(name) || /(^|\/)assembly\//.test(name)

/** Builds; resolves to the exit code. */
export async function build() {
  await buildKernels()
  const sources = filesBelow(`${root}/src`).filter((name) => !isLeftOut(name))
  const assets = sources.filter((name) => !isCode(name))
  const expected = new Set(assets)
  for (const name of sources.filter(isCode)) {
    const stem = name.slice(0, -'.ts'.length)
    for (const ending of ['.js', '.js.map', '.d.ts']) expected.add(stem + ending)
  }
  for (const name of filesBelow(`${root}/dist`)) {
    if (!expected.has(name) && name !== '.tsbuildinfo') rmSync(`${root}/dist/${name}`)
  }
  // A lost output is not seen by the incremental compiler: forget its notes when one is missing.
  const isLost = [...expected].some((name) => !assets.includes(name) && !existsSync(`${root}/dist/${name}`))
  if (isLost) rmSync(`${root}/dist/.tsbuildinfo`, { force: true })

  const { code } = await run(tool('tsc', '-p', 'tsconfig.build.json', '--pretty'))
  if (code !== 0) return code
  for (const name of assets) {
    const [from, to] = [`${root}/src/${name}`, `${root}/dist/${name}`]
    if (writtenAt(to) >= writtenAt(from)) continue
    mkdirSync(dirname(to), { recursive: true })
    copyFileSync(from, to)
  }
  const main = `${root}/dist/cli/main.js`
  if (existsSync(main)) chmodSync(main, 0o755)
  return 0
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const start = performance.now()
  process.exitCode = await build()
  if (process.exitCode === 0) console.log(`built dist/ in ${((performance.now() - start) / 1000).toFixed(1)} s`)
}
