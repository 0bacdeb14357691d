/**
 * The browser that browser tests drive. Tests that need it are named *.browser.test.ts and read QUERN_CHROMIUM (the
 * program's path); when that is not set they skip themselves with the reason in QUERN_NO_CHROMIUM.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from './tools.mjs'

const names = ['chromium', 'chromium-browser', 'google-chrome']

function onPath(names) {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path))
}

/** Why apt-get cannot install it here, or undefined when it can. */
function obstacle() {
  if (process.getuid?.() !== 0) return 'not root'
  if (!onPath(['apt-get'])) return 'no apt-get on this system'
  return undefined
}

/** Finds Chromium, or installs Debian's where it may. Gives the environment variables for the tests. */
export async function prepareChromium() {
  const found = process.env.QUERN_CHROMIUM ?? onPath(names)
  if (found) return { QUERN_CHROMIUM: found }
  const reason = obstacle()
  if (reason === undefined) {
    console.log('chromium is missing: installing it with apt-get')
    const install = ['apt-get', 'install', '-y', '--no-install-recommends', 'chromium']
    let result = await run(install, { quiet: true, env: { DEBIAN_FRONTEND: 'noninteractive' } })
    if (result.code !== 0) {
      // A fresh system has no package lists yet.
      spawnSync('apt-get', ['update'], { stdio: 'ignore' })
      result = await run(install, { quiet: true, env: { DEBIAN_FRONTEND: 'noninteractive' } })
    }
    const installed = onPath(names)
    if (installed) return { QUERN_CHROMIUM: installed }
    console.log(result.output.trim().split('\n').slice(-5).join('\n'))
  }
  const why = `chromium is missing (${reason ?? 'apt-get failed'}); install it, or set QUERN_CHROMIUM to a browser`
  console.log(`browser tests will be skipped: ${why}`)
  return { QUERN_NO_CHROMIUM: why }
}
