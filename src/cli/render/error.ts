/** Errors as a user reads them: what is wrong, what to do, and no stack unless it is asked for. */
import { messageOf, QuernError } from '../../core/errors.ts'
import type { Terminal } from '../terminal.ts'
import { stopCodes } from '../world.ts'

/** Work that ended because its signal was aborted. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

export function exitCodeOf(error: unknown): number {
  if (isAbort(error)) return stopCodes.SIGINT
  return error instanceof QuernError && error.kind === 'config' ? 2 : 1
}

/** Says the error on stderr and, with --json, as a document or a line on stdout. */
export function reportError(error: unknown, terminal: Terminal, how: { isStream: boolean; isVerbose: boolean }): void {
  const isOurs = error instanceof QuernError
  const kind = isAbort(error) ? 'interrupted' : isOurs ? error.kind : 'unexpected'
  const message = isAbort(error) ? 'interrupted' : messageOf(error)
  const hint = isOurs && error.hint !== '' ? error.hint : undefined
  const value = { kind, message, ...(hint === undefined ? {} : { hint }) }
  if (how.isStream) terminal.record({ type: 'error', ...value })
  else terminal.document({ error: value })
  const { red, dim, bold } = terminal.noteColors
  terminal.note(`${bold(red('error:'))} ${message}`)
  if (hint !== undefined) terminal.note(hint)
  if (how.isVerbose && error instanceof Error) terminal.note(dim(stackOf(error)))
  else if (kind === 'unexpected') terminal.note('This is a fault in Quern. --verbose shows where; please report it.')
}

/** The stack and those of the causes. */
function stackOf(error: Error): string {
  const stack = error.stack ?? error.message
  return error.cause instanceof Error ? `${stack}\ncaused by ${stackOf(error.cause)}` : stack
}
