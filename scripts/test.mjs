/**
 * `npm test [-- vitest's options or files]`: prepares what the tests need, builds, runs them, and ends with
 * `N passed, N failed` alone on the last line, whatever happens: continuous integration reads it.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { build } from './build.mjs'
import { prepareChromium } from './chromium.mjs'
import { preparePostgres } from './postgres.mjs'
import { filesBelow, root, run, tool } from './tools.mjs'

const cache = 'node_modules/.cache/quern'
const report = `${cache}/tests.json`

/**
 * Counts of a run. A test file that could not be loaded, and an error outside any test, are failures too, though vitest
 * counts no test for them.
 */
function count(code) {
  let result
  try {
    result = JSON.parse(readFileSync(`${root}/${report}`, 'utf8'))
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
  const unloaded = result.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
  let failed = result.numFailedTests + unloaded.length
  if (code !== 0 && failed === 0) failed = 1
  const skipped = result.numPendingTests + (result.numTodoTests ?? 0)
  // No test at all is no success.
  if (result.numPassedTests === 0 && failed === 0) failed = 1
  return { passed: result.numPassedTests, failed, skipped }
}

async function testAll(options) {
  if (!existsSync(`${root}/node_modules/vitest`)) throw new Error("the tools are not installed: type 'npm ci' first")
  const isBrowserTest = (name) => name.endsWith('.browser.test.ts')
  const needsBrowser = ['src', 'test'].some((folder) => filesBelow(`${root}/${folder}`).some(isBrowserTest))
  const env =
    options.length > 0 ? {} : { ...(needsBrowser ? await prepareChromium() : {}), ...(await preparePostgres()) }
  if ((await build()) !== 0) {
    console.error('the build failed: no test was run')
    return { passed: 0, failed: 1, skipped: 0 }
  }
  mkdirSync(`${root}/${cache}`, { recursive: true })
  rmSync(`${root}/${report}`, { force: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const { code } = await run(tool('vitest', 'run', ...reporters, ...options), { env })
  return count(code)
}

const { passed, failed, skipped } = await testAll(process.argv.slice(2)).catch((error) => {
  console.error(error)
  return { passed: 0, failed: 1, skipped: 0 }
})
process.exitCode = failed === 0 ? 0 : 1
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
