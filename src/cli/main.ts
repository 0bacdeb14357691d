#!/usr/bin/env node
/** The process of the command line: signals, closed pipes, the exit code. What it does stands in run.ts. */
import module from 'node:module'
import type { StopReason, World } from './world.ts'

// Node 22 and later keep compiled code between calls.
;(module as { enableCompileCache?: () => void }).enableCompileCache?.()

const { stopCodes } = await import('./world.ts')
const { run } = await import('./run.ts')

/** Who wants to hear of a stop; without anybody the process ends. */
const listeners: ((reason: StopReason) => void)[] = []

function stop(reason: StopReason): void {
  const listener = listeners.at(-1)
  if (listener) listener(reason)
  // A reader that has seen enough (`| head`) is no failure.
  else process.exit(reason === 'SIGPIPE' ? 0 : stopCodes[reason])
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop(signal))
let isPiped = true
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  // Every further write fails in the same way: it is said once.
  if (isPiped) stop('SIGPIPE')
  isPiped = false
})
// Nobody reads what is said on the way: the work goes on.
process.stderr.on('error', () => undefined)

const world: World = {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  env: process.env,
  cwd: process.cwd(),
  now: Date.now,
  onStop(listener) {
    listeners.push(listener)
    return () => {
      const at = listeners.indexOf(listener)
      if (at >= 0) listeners.splice(at, 1)
    }
  },
  die(reason) {
    // Node ignores this one from its start.
    const signal = reason === 'SIGPIPE' ? 'SIGTERM' : reason
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  },
}

process.exitCode = await run(process.argv.slice(2), world)
