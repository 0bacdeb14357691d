/** Sizes of a model as one option: whole numbers above 0, joined by commas. */
import { QuernError } from '../src/core/errors.ts'

/** Throws `config` unless there are as many numbers as in the example. */
export function sizesOf(text: string, example: string): number[] {
  const count = example.split(',').length
  const sizes = text.split(',').map(Number)
  if (sizes.length === count && sizes.every((size) => Number.isInteger(size) && size > 0)) return sizes
  throw new QuernError('config', `--shape must be ${count} numbers such as ${example}, received '${text}'`)
}
