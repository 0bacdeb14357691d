/** The command line inside a test: its outputs collected, its world under control; and as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { run } from '../src/cli/run.ts'
import type { StopReason, World } from '../src/cli/world.ts'

const repository = fileURLToPath(new URL('..', import.meta.url))

export interface WorldOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** columns of a terminal; without it outputs are no terminals */
  readonly columns?: number
  readonly stdin?: readonly (Uint8Array | string)[] | undefined
  readonly services?: World['services']
  /** gets a function that stops the work */
  readonly onRunning?: (stop: (reason: StopReason) => void) => void
  /** gets what is written to stdout */
  readonly onOutput?: (text: string) => void
}

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command line in this process. */
export async function quern(argv: readonly string[], options: WorldOptions = {}): Promise<Ended> {
  const { cwd = '/', env = {}, columns, stdin, services, onRunning, onOutput } = options
  let [stdout, stderr] = ['', '']
  const terminal = columns === undefined ? {} : { isTTY: true, columns }
  const listeners: ((reason: StopReason) => void)[] = []
  const world: World = {
    stdout: {
      write(text) {
        stdout += text
        onOutput?.(text)
      },
      ...terminal,
    },
    stderr: {
      write(text) {
        stderr += text
      },
      ...terminal,
    },
    stdin: {
      isTTY: stdin === undefined,
      async *[Symbol.asyncIterator]() {
        yield* stdin ?? []
      },
    },
    env,
    cwd,
    now: () => Date.parse('2026-11-23T14:15:02Z') + performance.now(),
    onStop(listener) {
      listeners.push(listener)
      onRunning?.((reason) => listener(reason))
      return () => void listeners.splice(listeners.indexOf(listener), 1)
    },
    die(reason) {
      stderr += `<${reason}>`
    },
    services,
  }
  const code = await run(argv, world)
  return { code, stdout, stderr }
}

/** Starts the command line as a process, from the sources. */
export function spawnQuern(argv: readonly string[], cwd: string): ChildProcess {
  const hooks = fileURLToPath(new URL('../scripts/typescript.mjs', import.meta.url))
  const options = ['--import', hooks, `${repository}src/cli/main.ts`, ...argv]
  const { NO_COLOR: _, FORCE_COLOR: __, ...env } = process.env
  return spawn(process.execPath, options, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
}
