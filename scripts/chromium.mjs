/**
 * The browser that browser tests drive. Tests that need it are named *.browser.test.ts and read QUERN_CHROMIUM (the
 * program's path); when that is not set they skip themselves with the reason in QUERN_NO_CHROMIUM.
 */
import { findOrInstall, onPath } from './debian-program.mjs'

const names = ['chromium', 'chromium-browser', 'google-chrome']

/** Finds Chromium, or installs Debian's where it may. Gives the environment variables for the tests. */
export async function prepareChromium() {
  const find = () => process.env.QUERN_CHROMIUM ?? onPath(names)
  const { found, why } = await findOrInstall('chromium', ['chromium'], find)
  if (found) return { QUERN_CHROMIUM: found }
  console.log(`browser tests will be skipped: ${why}; install it, or set QUERN_CHROMIUM to a browser`)
  return { QUERN_NO_CHROMIUM: why }
}
