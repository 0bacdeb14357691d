/** One line about work that is going on, as wide as the terminal allows: the bar goes first, then parts from the end. */
import { cut, textWidth } from './text-width.ts'

export interface Progress {
  /** such as 'epoch 2/5' */
  readonly title: string
  readonly done: number
  readonly total: number
  /** most important first */
  readonly parts: readonly string[]
}

const longestBar = 24
const shortestBar = 8

function bar(share: number, length: number): string {
  const inner = length - 2
  const full = Math.min(inner, Math.floor(share * inner))
  const head = full < inner ? '>' : ''
  return `[${'='.repeat(full)}${head}${' '.repeat(Math.max(0, inner - full - 1))}]`
}

/** The line, at most `columns - 1` wide: a full line would wrap, and could not be drawn over. */
export function progressLine({ title, done, total, parts }: Progress, columns: number): string {
  const room = Math.max(1, columns - 1)
  const count = `${String(done).padStart(String(total).length)}/${total}`
  const head = `${title}  ${count}`
  let line = head
  for (const part of parts) {
    if (textWidth(line) + 2 + textWidth(part) > room) break
    line += `  ${part}`
  }
  const left = room - textWidth(line) - 1
  if (left < shortestBar || total <= 0) return cut(line, room)
  return `${title} ${bar(done / total, Math.min(longestBar, left))} ${line.slice(title.length + 2)}`
}
