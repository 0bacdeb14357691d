/**
 * `npm run lockfile`: completes package-lock.json after `npm install`, so that `npm ci` accepts it on every machine.
 *
 * npm 11 leaves out the optional packages of other platforms when the registry that was asked does not serve them (a
 * mirror), and `npm ci` then says "Missing: ... from lock file" (npm/cli issue 9342). Such an entry needs no more than
 * version, system and processor to be skipped where it does not fit; the version is the exact one its parent asks for.
 * The registry's address is removed as well, as .npmrc asks.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { root } from './tools.mjs'

const file = `${root}/package-lock.json`
const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32']
const processors = ['arm64', 'arm', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64']

/** The parts of a name such as @oxc-parser/binding-linux-riscv64-musl that say where it runs. */
function platformOf(name) {
  const words = name.split(/[/-]/)
  const pick = (known) => words.filter((word) => known.includes(word))
  const libc = words.includes('musl') || words.includes('linuxmusl') ? ['musl'] : words.includes('gnu') ? ['glibc'] : []
  const parts = { cpu: pick(processors), libc, os: pick(systems) }
  return Object.fromEntries(Object.entries(parts).filter(([, values]) => values.length > 0))
}

const lock = JSON.parse(readFileSync(file, 'utf8'))
const added = []
for (const [path, entry] of Object.entries(lock.packages)) {
  delete entry.resolved
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const isKnown = [`${path}/node_modules/${name}`, `node_modules/${name}`].some((place) => place in lock.packages)
    const platform = platformOf(name)
    if (isKnown || platform.os === undefined) continue
    if (!/^\d/.test(version)) throw new Error(`${path} asks for ${name} ${version}: not one exact version`)
    const dev = entry.dev ? { dev: true } : {}
    lock.packages[`node_modules/${name}`] = { version, ...platform, ...dev, optional: true }
    added.push(`${name}@${version}`)
  }
}
const byPath = ([a], [b]) => a.localeCompare(b, 'en')
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(byPath))
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(
  `package-lock.json: ${added.length} packages of other platforms added${added.map((x) => `\n  ${x}`).join('')}`,
)
