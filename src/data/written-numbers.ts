/** Numbers that are written for people: 1.234,50 or $1,234.50. To a reader of plain numbers they are names, and teach nothing. */
import { isNumberText } from './table/cells.ts'
import type { Column } from './table/table.ts'

export interface WrittenNumbers {
  readonly example: string
  /** what `data.clean` makes plain numbers of them with, one after the other */
  readonly rules: readonly { readonly pattern: string; readonly replace?: string }[]
}

/** Of the texts, each counted once, this share must be numbers. */
const most = 0.9
const sign = /^([+-]?)[$€£¥] ?|^| ?[$€£¥%]$/g
/** A thousand is marked by a comma: 1,234 and 1,234.50. No number of thousands begins with 0. */
const withThousands = /^[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?$/
const withComma = /^[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+$/
const isWhole = (text: string): boolean => /^[+-]?\d+$/.test(text)

/** How texts are numbers all the same; undefined where they are none, or plain ones. */
export function writtenNumbers(texts: readonly string[]): WrittenNumbers | undefined {
  const example = texts.find((text) => !isNumberText(text))
  if (example === undefined) return undefined
  const bare = texts.map((text) => text.replace(sign, '$1'))
  const share = (test: (text: string) => boolean): number => bare.filter(test).length / texts.length
  const found = (mark: string): boolean => texts.some((text, i) => text.includes(mark) && text !== bare[i])
  const signs = [...'$€£¥% '].filter(found).join('')
  const without = (marks: string) => (marks === '' ? [] : [{ pattern: `[${marks}]` }])
  if (share((text) => isNumberText(text) || withThousands.test(text)) >= most) {
    const first = texts.find((text, i) => text !== bare[i] || withThousands.test(text))
    const rules = without(signs + (bare.some((text) => withThousands.test(text)) ? ',' : ''))
    return first === undefined ? undefined : { example: first, rules }
  }
  const first = texts.find((_, i) => withComma.test(bare[i]!))
  if (first === undefined || share((text) => withComma.test(text) || isWhole(text)) < most) return undefined
  const points = bare.some((text) => withComma.test(text) && text.includes('.')) ? '.' : ''
  return { example: first, rules: [...without(signs + points), { pattern: ',', replace: '.' }] }
}

/** Of a column that is read as names. */
export function writtenNumbersOf(column: Column): WrittenNumbers | undefined {
  if (column.kind !== 'category' && column.kind !== 'text') return undefined
  return writtenNumbers(column.dictionary)
}
