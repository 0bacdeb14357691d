/**
 * Errors that a user reads. Each says what the thing is, what was expected, what came, and what to do.
 * `kind` decides the exit code of the command line and the status of the server; nothing else looks at it.
 */

/**
 * - `input`: data, a file or a request is wrong (exit 1, HTTP 400 or 422)
 * - `config`: the command line or the configuration is wrong (exit 2)
 * - `missing`: a named thing does not exist (exit 1, HTTP 404)
 * - `unsupported`: the thing is valid, but Quern or the runtime cannot do it (exit 1, HTTP 501)
 * - `numeric`: training diverged (exit 1)
 * - `io`: a disk or a device failed (exit 1, HTTP 500)
 */
export type ErrorKind = 'input' | 'config' | 'missing' | 'unsupported' | 'numeric' | 'io'

export class QuernError extends Error {
  readonly kind: ErrorKind
  /** what the user can do about it, one sentence; undefined when the message says it all */
  readonly hint: string | undefined

  constructor(kind: ErrorKind, message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'QuernError'
    this.kind = kind
    this.hint = options.hint
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Edit distance with transpositions (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array<number>(b.length).fill(0)])
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, rows[i - 2]![j - 2]! + 1)
      rows[i]![j] = best
    }
  }
  return rows[a.length]![b.length]!
}

/** The known name nearest to a misspelt one, when one is near enough to be meant. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  // Two of three letters wrong is another word, not a slip.
  let least = Math.max(name.length < 4 ? 1 : 2, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const d = distance(name.toLowerCase(), candidate.toLowerCase())
    if (d < least) [best, least] = [candidate, d]
  }
  return best
}

/** `Did you mean 'epochs'?`, or the list of what is known when nothing is near. */
export function suggestion(name: string, known: Iterable<string>): string {
  const names = [...known]
  const near = nearest(name, names)
  return near === undefined ? `Known: ${names.join(', ')}.` : `Did you mean '${near}'?`
}
