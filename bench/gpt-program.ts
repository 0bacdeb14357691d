/** The program gpt-step in a process of its own: what a step takes, and how much memory all of it. */
import { runForJson } from './processes.ts'
import { compileProgram } from './program.ts'

export interface GptRun {
  readonly milliseconds: number
  readonly loss: number
  readonly parameters: number
  /** highest resident memory of the process in MB */
  readonly memory: number
}

export interface GptWork {
  readonly text: string
  /** layers,heads,width,context,batch,vocabulary */
  readonly shape: string
  readonly steps: number
  readonly threads: number
  /** what is computed again in place of being kept */
  readonly again: 'none' | 'all' | 'cheap'
}

/** A function that runs it, after compiling it once. */
export async function gptProgram(): Promise<(work: GptWork) => Promise<GptRun>> {
  const program = await compileProgram(new URL('./programs/gpt-step.ts', import.meta.url))
  return ({ text, shape, steps, threads, again }) =>
    runForJson<GptRun>([process.execPath, program, text, shape, String(steps), String(threads), '', again])
}
