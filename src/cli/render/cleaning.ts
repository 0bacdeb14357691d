/** What cleaning rules did to the data, as text. */
import type { SourceReport } from '../../data/source.ts'
import { formatCount } from './numbers.ts'
import { harmless } from './text-width.ts'

/** A line for each rule, in their order. */
export function cleaningLines(steps: SourceReport['cleaned'] = []): string[] {
  return steps.map(({ rule, rows, dropped, examples: [first] }) => {
    const what = `${formatCount(rows)} rows ${dropped ? 'left out' : 'changed'}`
    return harmless(`clean  ${rule}: ${rows === 0 ? 'no row' : `${what} (${first}${rows > 1 ? ', ...' : ''})`}`)
  })
}
