/** What the command line sees of the process it runs in. main.ts hands over the real one, tests their own. */
import type { Services } from '../actions/services.ts'

export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  /** width of the terminal */
  readonly columns?: number | undefined
}

export interface Input extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean | undefined
}

/** Why the work should end early: Ctrl-C, the system's wish, or nobody reading the output any longer. */
export type StopReason = 'SIGINT' | 'SIGTERM' | 'SIGPIPE'

export interface World {
  readonly stdout: Output
  readonly stderr: Output
  readonly stdin: Input
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** milliseconds since 1970 */
  now(): number
  /** Calls `stop` instead of ending the process, until the returned function is called. */
  onStop(stop: (reason: StopReason) => void): () => void
  /**
   * Ends the process at once, by the signal itself, which shells and process managers read as 128 + its number. Not `process.exit`: that stops threads, and the runtime
   * aborts the process when it computes in one of them.
   */
  die(reason: StopReason): void
  /** default: the real ones; tests may bring their own */
  readonly services?: ((root: string) => Promise<Services>) | undefined
}

/** Exit codes of work that was stopped: 128 + the number of the signal, as shells and process managers expect. */
export const stopCodes: Readonly<Record<StopReason, number>> = { SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 }
