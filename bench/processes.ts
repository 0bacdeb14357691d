/** Programs that run as processes of their own: what they print, and how long they took. */
import { spawn } from 'node:child_process'
import { QuernError } from '../src/core/errors.ts'

export interface Finished {
  readonly stdout: string
  readonly stderr: string
  /** from start to end of the whole process */
  readonly seconds: number
}

export interface ProcessOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a program to its end. Throws when it cannot be started or its exit code is not 0, with the end of what it printed. */
export function runProcess(command: readonly string[], options: ProcessOptions = {}): Promise<Finished> {
  const [program = '', ...words] = command
  const start = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const text = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (chunk: string) => {
        text[stream] += chunk
      })
    }
    const fail = (why: string): void => {
      const shown = words.map((word) => word.split(/[\\/]/).at(-1)).join(' ')
      const said = (text.stderr.trim() || text.stdout.trim()).slice(-2000)
      const name = program.split(/[\\/]/).at(-1)
      reject(new QuernError('io', `${name} ${shown} ${why}\n${said}`))
    }
    child.on('error', (error) => fail(`could not be started: ${error.message}`))
    child.on('close', (code, signal) => {
      if (code !== 0) return fail(`ended with ${code ?? signal}`)
      resolve({ ...text, seconds: (performance.now() - start) / 1000 })
    })
  })
}

/** The JSON object on the last line of what a program printed. */
export async function runForJson<T>(command: readonly string[], options: ProcessOptions = {}): Promise<T> {
  const { stdout } = await runProcess(command, options)
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as T
}
