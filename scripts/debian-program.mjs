/** Programs that tests drive and no npm package brings: found on this system, or installed with apt-get where that may be. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from './tools.mjs'

/** The first of the names that is in a folder of the PATH, or in one of `folders`. */
export function onPath(names, folders = []) {
  const all = [...folders, ...(process.env.PATH ?? '').split(delimiter)]
  return names.flatMap((name) => all.map((folder) => join(folder, name))).find((path) => existsSync(path))
}

/** Why apt-get cannot install it here, or undefined when it can. */
function obstacle() {
  if (process.getuid?.() !== 0) return 'not root'
  if (!onPath(['apt-get'])) return 'no apt-get on this system'
  return undefined
}

/** What `find` finds, before or after installing the packages; or the reason why there is none. */
export async function findOrInstall(what, packages, find) {
  const found = find()
  if (found) return { found }
  const reason = obstacle()
  if (reason === undefined) {
    console.log(`${what} is missing: installing it with apt-get`)
    const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...packages]
    let result = await run(install, { quiet: true, env: { DEBIAN_FRONTEND: 'noninteractive' } })
    if (result.code !== 0) {
      // A fresh system has no package lists yet.
      spawnSync('apt-get', ['update'], { stdio: 'ignore' })
      result = await run(install, { quiet: true, env: { DEBIAN_FRONTEND: 'noninteractive' } })
    }
    const installed = find()
    if (installed) return { found: installed }
    console.log(result.output.trim().split('\n').slice(-5).join('\n'))
  }
  return { why: `${what} is missing (${reason ?? 'apt-get failed'})` }
}
