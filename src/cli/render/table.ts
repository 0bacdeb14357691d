/** Tables for terminals: columns as wide as their content or a third of the window (but for what is typed again), numbers to the right, the last column cut to the width. */
import { cut, harmless, pad, textWidth } from './text-width.ts'

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string
  readonly align?: 'left' | 'right'
  /** what is typed again, such as the id of a run: as wide as its content */
  readonly isWhole?: boolean
}

/** Columns of a window that a name may take, however narrow it is. */
const leastName = 24

/** Lines of a table; nothing but the titles for no rows. Values are made harmless, so they may come from outside. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  options: { readonly width?: number | undefined; readonly title?: (text: string) => string } = {},
): string[] {
  const { width = Number.POSITIVE_INFINITY, title = (text) => text } = options
  // One long name must not push everything else out of the window.
  const widest = Math.max(leastName, Math.floor(width / 3))
  const cells = rows.map((row) =>
    columns.map(({ value, isWhole }, i) =>
      cut(harmless(value(row)), isWhole || i === columns.length - 1 ? width : widest),
    ),
  )
  const widths = columns.map(({ title }, i) => Math.max(textWidth(title), ...cells.map((line) => textWidth(line[i]!))))
  const join = (line: readonly string[]): string => {
    const padded = line.map((text, i) =>
      columns[i]!.align === 'right' ? pad(text, widths[i]!, 'right') : pad(text, widths[i]!),
    )
    return cut(padded.join('  ').trimEnd(), width)
  }
  return [title(join(columns.map(({ title }) => title))), ...cells.map(join)]
}
