/** The first lines of a CSV file: which delimiter, which columns. What is not certain is an error that says what to set. */
import { QuernError } from '../../core/errors.ts'

export interface CsvOptions {
  /** default: whichever of comma, semicolon, tab and bar the first lines agree on */
  readonly delimiter?: string | undefined
  /** 'utf-8' (default), 'latin-1' or 'utf-16' */
  readonly encoding?: 'utf-8' | 'latin-1' | 'utf-16' | undefined
  /** names of the columns, for a file whose first line is data already */
  readonly names?: readonly string[] | undefined
}

export interface CsvHead {
  readonly delimiter: string
  readonly names: readonly string[]
}

const delimiters = [',', ';', '\t', '|']

/** Cells of a line of CSV; quotes as RFC 4180 has them. */
export function cellsOf(line: string, delimiter: string): string[] {
  const cells: string[] = []
  let cell = ''
  let quoted = false
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!
    if (quoted) {
      if (c !== '"') cell += c
      else if (line[i + 1] === '"') cell += line[++i]
      else quoted = false
    } else if (c === '"' && cell === '') quoted = true
    else if (c === delimiter) {
      cells.push(cell)
      cell = ''
    } else cell += c
  }
  cells.push(cell)
  return cells
}

/** Delimiter and names from the beginning of a file. */
export function csvHead(text: string, file: string, { delimiter, names }: CsvOptions): CsvHead {
  const lines = text
    .replace(/^\ufeff/, '')
    .split(/\r?\n|\r/)
    .slice(0, 20)
    .filter((line) => line !== '')
  const [first] = lines
  if (first === undefined) throw new QuernError('input', `${file} is empty`)
  const used = delimiter ?? guess(lines)
  const head = cellsOf(first, used)
  if (names) return { delimiter: used, names: checked(names, file) }
  if (head.length > 1 && head.every((cell) => cell !== '' && Number.isFinite(Number(cell)))) {
    throw new QuernError('input', `${file}: the first line holds numbers (${head.slice(0, 4).join(', ')}), not names`, {
      hint: "Give the columns' names as data.csv.names, or put them into the first line.",
    })
  }
  if (head.length === 1) {
    const other = delimiters.find((mark) => mark !== used && first.includes(mark))
    if (other !== undefined) {
      throw new QuernError(
        'input',
        `${file} has one column, ${JSON.stringify(head[0])}, when it is divided by ${JSON.stringify(used)}`,
        { hint: `It looks as if data.csv.delimiter were ${JSON.stringify(other)}.` },
      )
    }
  }
  return { delimiter: used, names: checked(head, file) }
}

/** The delimiter that divides the first line most, among those that every further line has too. */
function guess(lines: readonly string[]): string {
  const counts = delimiters.map((mark) => {
    const cells = lines.slice(0, -1).map((line) => cellsOf(line, mark).length)
    const first = cellsOf(lines[0]!, mark).length
    return { mark, first, least: Math.min(first, ...cells) }
  })
  counts.sort((a, b) => b.least - a.least || b.first - a.first)
  return counts[0]!.mark
}

function checked(given: readonly string[], file: string): string[] {
  // What writes the numbers of its rows in front of them, as pandas does, leaves their column without a name.
  const names = given.map((name, i) => name.trim() || `column ${i + 1}`)
  const seen = new Map<string, number>()
  for (const [i, name] of names.entries()) {
    // DuckDB compares names without regard to case.
    const other = seen.get(name.toLowerCase())
    if (other !== undefined) {
      throw new QuernError('input', `${file}: columns ${other + 1} and ${i + 1} are both named '${name}'`)
    }
    seen.set(name.toLowerCase(), i)
  }
  return names
}
