/** The server and the client of a load benchmark, each a process of its own, run from dist/. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import { runForJson } from './processes.ts'
import { compileProgram } from './program.ts'
import type { LoadOptions, LoadResult, Times } from './programs/serve-load.ts'
import type { ServerProgramOptions } from './programs/serve-server.ts'

export interface BenchServer {
  readonly port: number
  /** Sends a command, resolves to what is answered. */
  ask<T>(command: string): Promise<T>
  close(): Promise<void>
}

export interface MemoryReport {
  /** MB */
  readonly rss: number
  /** MB, after a collection */
  readonly heap: number
  readonly handles: number
}

export function startBenchServer(options: ServerProgramOptions): Promise<BenchServer> {
  return startProgram('serve-server', options)
}

/** A Node HTTP server that reads JSON and answers with the same JSON each time: what HTTP costs before anything is served. */
export function startEchoServer(): Promise<BenchServer> {
  return startProgram('serve-echo', {})
}

async function startProgram(name: string, options: object): Promise<BenchServer> {
  const program = await compileProgram(new URL(`./programs/${name}.ts`, import.meta.url))
  const child = spawn(process.execPath, ['--expose-gc', program, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  const first = await nextLine<{ port: number }>(lines, child)
  return {
    ...first,
    ask(command) {
      const answer = nextLine<never>(lines, child)
      child.stdin.write(`${command}\n`)
      return answer
    },
    close() {
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
      child.stdin.write('quit\n')
      return ended
    },
  }
}

function nextLine<T>(lines: Interface, child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const died = (code: number | null): void => reject(new Error(`the server under load ended with ${code}`))
    child.once('exit', died)
    lines.once('line', (line) => {
      child.off('exit', died)
      resolve(JSON.parse(line) as T)
    })
  })
}

/** ms of runs of a model's file without a server. */
export async function runBare(modelFile: string): Promise<Pick<Times, 'p50' | 'p99'>> {
  const program = await compileProgram(new URL('./programs/serve-bare.ts', import.meta.url))
  return runForJson([process.execPath, program, modelFile])
}

export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const program = await compileProgram(new URL('./programs/serve-load.ts', import.meta.url))
  // Looking at the clock without pause makes an object each time: seldom collected, they cost no pause in which answers wait.
  return runForJson<LoadResult>([process.execPath, '--max-semi-space-size=64', program, JSON.stringify(options)])
}

/** One example of the bench's model as the Open Inference Protocol writes it. */
export const inferBody: string = JSON.stringify({
  inputs: [
    { name: 'pixels', shape: [1, 1, 8, 8], datatype: 'UINT8', data: Array.from({ length: 64 }, (_, i) => i * 3) },
  ],
})

export const inferPath = '/v2/models/mlp/infer'
