/**
 * Rows of CSV and of JSON lines as they lie in a file: where each begins and ends, without a look at what is in it. Bytes come in chunks and only
 * one row is in memory; reading can go on behind any row. Quotes are those of RFC 4180: one opens at the beginning of a cell only.
 */

export interface RowRecord {
  /** without the line break; empty for an empty line */
  readonly bytes: Uint8Array
  /** of the file, counted from 1, in which it begins */
  readonly line: number
  /** bytes of the file up to here, with the line break */
  readonly end: number
  /** line on which the next one begins */
  readonly nextLine: number
  /** why it is no whole row, in words: then it is the last */
  readonly fault?: string
}

export interface RowRecordOptions {
  /** of CSV, one ASCII character; without it a line is a row, whatever is in it */
  readonly delimiter?: string | undefined
  /** where the bytes begin within the file, when not at its beginning */
  readonly at?: { readonly byte: number; readonly line: number } | undefined
  /** bytes that a row may have; a longer one is a fault */
  readonly most: number
}

const lineFeed = 10
const carriageReturn = 13
const quote = 0x22

interface Scan {
  /** up to which the buffer was looked at */
  at: number
  isQuoted: boolean
  /** a quote here would open */
  isCellStart: boolean
  /** the last character closed a quote: another one is a part of the text */
  isClosed: boolean
  line: number
}

/** The rows of each chunk, in order. A byte order mark at the beginning of the file is left out. */
export async function* rowRecords(
  chunks: AsyncIterable<Uint8Array>,
  { delimiter, at = { byte: 0, line: 1 }, most }: RowRecordOptions,
): AsyncGenerator<RowRecord[]> {
  const mark = delimiter?.charCodeAt(0)
  let buffer: Uint8Array = new Uint8Array()
  let offset = at.byte
  const scan: Scan = { at: 0, isQuoted: false, isCellStart: true, isClosed: false, line: at.line }
  const take = (isEnd: boolean): RowRecord[] => {
    const { records, used } = takeRows(buffer, scan, { mark, offset, isEnd })
    buffer = buffer.subarray(used)
    offset += used
    scan.at -= used
    return records
  }
  for await (const chunk of chunks) {
    buffer = joined(buffer, chunk)
    if (offset === 0 && buffer.length < 3) continue
    const records = take(false)
    if (records.length > 0) yield records
    if (buffer.length > most) {
      const fault = `it is longer than ${most} bytes${scan.isQuoted ? ': a quote is opened and not closed' : ''}`
      yield [{ bytes: new Uint8Array(), line: scan.line, end: offset, nextLine: scan.line, fault }]
      return
    }
  }
  const rest = take(true)
  if (rest.length > 0) yield rest
}

interface Take {
  readonly mark: number | undefined
  /** of the buffer's first byte within the file */
  readonly offset: number
  readonly isEnd: boolean
}

/** All rows that end within the buffer, and how much of it they take. */
function takeRows(buffer: Uint8Array, scan: Scan, take: Take): { records: RowRecord[]; used: number } {
  const records: RowRecord[] = []
  const { offset, isEnd } = take
  let start = offset === 0 && hasByteOrderMark(buffer) ? 3 : 0
  let used = 0
  if (scan.at < start) scan.at = start
  const finish = (end: number, next: number, fault?: string): void => {
    const nextLine = scan.line + 1 + linesWithin(buffer, start, end)
    const record = { bytes: buffer.slice(start, end), line: scan.line, end: offset + next, nextLine }
    records.push(fault === undefined ? record : { ...record, fault })
    Object.assign(scan, { isQuoted: false, isCellStart: true, isClosed: false, line: nextLine })
    start = next
    used = next
  }
  let i = nextBreak(buffer, scan, take.mark)
  while (i < buffer.length) {
    if (buffer[i] === lineFeed) finish(i, i + 1)
    // Whether a line feed follows is not known yet.
    else if (i + 1 === buffer.length && !isEnd) break
    else finish(i, buffer[i + 1] === lineFeed ? i + 2 : i + 1)
    scan.at = start
    i = nextBreak(buffer, scan, take.mark)
  }
  scan.at = Math.min(i, buffer.length)
  if (isEnd && start < buffer.length) {
    finish(buffer.length, buffer.length, scan.isQuoted ? 'a quote is opened and never closed' : undefined)
    scan.at = start
  }
  return { records, used }
}

/** The next line break outside of quotes; the buffer's length when there is none. */
function nextBreak(buffer: Uint8Array, scan: Scan, mark: number | undefined): number {
  let { at, isQuoted, isCellStart, isClosed } = scan
  for (; at < buffer.length; at++) {
    const byte = buffer[at]!
    if (isQuoted) {
      isClosed = byte === quote
      isQuoted = !isClosed
      continue
    }
    if (byte === lineFeed || byte === carriageReturn) break
    isQuoted = mark !== undefined && byte === quote && (isCellStart || isClosed)
    isCellStart = byte === mark
    isClosed = false
  }
  Object.assign(scan, { isQuoted, isCellStart, isClosed })
  return at
}

function linesWithin(buffer: Uint8Array, start: number, end: number): number {
  let lines = 0
  for (let i = start; i < end; i++) if (buffer[i] === lineFeed) lines++
  return lines
}

const hasByteOrderMark = (bytes: Uint8Array): boolean => bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}
