/** `node --import` this: when the process ends, a last line on stderr says its highest resident memory in MB. */
import { readFileSync, writeSync } from 'node:fs'

process.on('exit', () => {
  let kilobytes = process.resourceUsage().maxRSS
  try {
    kilobytes = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
  } catch {
    // No /proc here: what the system counts for the process has to do.
  }
  writeSync(2, `\npeak ${kilobytes / 1024} MB\n`)
})
