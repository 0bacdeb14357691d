/** The cleaning rules of a bundle on the values of one row to predict. */
import type { ValueRule } from '../../contract/clean.ts'
import { messageOf, QuernError } from '../../core/errors.ts'
import { type CellValue, columnsOf, valueChange } from './value-rules.ts'

/** Changes one value of a column; what is no text, number or boolean is left to the column's own check. */
export type RowCleaner = (column: string, value: unknown) => unknown

/**
 * Rules as one function for the values of a row.
 *
 * @param missing texts that mean that there is no value
 */
export function createRowCleaner(rules: readonly ValueRule[], missing: readonly string[]): RowCleaner {
  const changes = new Map<string, ((cell: CellValue) => CellValue)[]>()
  for (const rule of rules) {
    const change = valueChange(rule)
    for (const name of columnsOf(rule.columns)) changes.set(name, [...(changes.get(name) ?? []), change])
  }
  return (column, value) => {
    const own = changes.get(column)
    if (!own || value === null || !['string', 'number', 'boolean'].includes(typeof value)) return value
    let cell = typeof value === 'string' ? value.trim() : (value as CellValue)
    if (Number.isNaN(cell) || missing.includes(cell as string)) return null
    try {
      for (const change of own) cell = change(cell)
    } catch (cause) {
      throw new QuernError('input', `column '${column}': ${messageOf(cause)}`, { cause })
    }
    return cell ?? null
  }
}
