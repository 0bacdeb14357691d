/** DuckDB's errors as ours: the file, the line, what was expected, what came, what to do. */
import { QuernError } from '../../core/errors.ts'

interface Known {
  readonly pattern: RegExp
  readonly say: (found: RegExpExecArray) => string
  readonly hint: string
}

const known: readonly Known[] = [
  {
    pattern: /Expected Number of Columns: (\d+) Found: (\d+)/,
    say: ([, expected, found]) => `expected ${expected} cells as in the header, found ${found}`,
    hint: "Mend the line, look whether data.csv.delimiter is right, or leave such lines out with data.onBroken: 'skip'.",
  },
  {
    pattern: /Invalid unicode/,
    say: () => 'the bytes are not UTF-8',
    hint: "Say how the file is encoded: data.csv.encoding: 'latin-1' or 'utf-16'.",
  },
  {
    pattern: /not utf-16 encoded|File is not UTF-?16/i,
    say: () => 'the bytes are not UTF-16',
    hint: 'Look at data.csv.encoding.',
  },
  {
    pattern: /unterminated quote/i,
    say: () => 'a quote is opened and never closed',
    hint: 'Close it, or double the quotes that are a part of a text.',
  },
  {
    pattern: /Maximum line size of (\d+) bytes exceeded/i,
    say: ([, bytes]) => `a line is longer than ${bytes} bytes`,
    hint: 'Look for a quote that is not closed, or for a file that is no table.',
  },
  {
    pattern: /No magic bytes|Invalid TProtocol|file too small|Failed to read|footer/i,
    say: () => 'it is no whole Parquet file: its end is missing',
    hint: 'Copy it again: the copy was cut off.',
  },
  {
    // DuckDB says the line that it has reached: a broken object may have begun in the one before.
    pattern: /Malformed JSON in file ".*", (at [^\n]*?)[. ]*(?:\n|$)/i,
    say: ([, what]) => `malformed JSON, ${what}`,
    hint: 'JSON lines have one object a line, .json files one array of objects. Look at the line before, too: what begins there may not end.',
  },
  {
    pattern: /Malformed JSON[^:]*?(?::|at) ?([^\n]*?)[. ]*(?:\n|$)/i,
    say: ([, what]) => `malformed JSON: ${what}`,
    hint: 'JSON lines have one object a line, .json files one array of objects.',
  },
]

/** An error of kind `input` that names the file, and the line where it is known. */
export function fileError(message: string, file: string, cause: unknown): QuernError {
  const line = /CSV Error on Line: (\d+)/.exec(message)?.[1]
  const at = line === undefined ? file : `${file} line ${line}`
  for (const { pattern, say, hint } of known) {
    const found = pattern.exec(message)
    if (found) return new QuernError('input', `${at}: ${say(found)}`, { hint, cause })
  }
  const first = message.split('\n').find((text) => text.trim() !== '') ?? 'it cannot be read'
  return new QuernError('input', `${at}: ${first}`, { cause })
}
