/** The scores of a split in one line. */
import { scoreParts } from './epochs.ts'

/** Besides the loss, where none was asked for. */
const mostScores = 4

/** 'test       accuracy 0.8500  loss 0.3047': the metrics that the configuration asks for, and the loss of a classifier. */
export function scoreLine(
  name: string,
  values: Readonly<Record<string, number>>,
  asked: readonly string[],
  width: number,
): string {
  const { crossEntropy, ...others } = values
  const known = asked.filter((key) => key in others)
  const keys = known.length > 0 ? known : Object.keys(others).slice(0, mostScores)
  const loss = crossEntropy === undefined || keys.includes('crossEntropy') ? {} : { loss: crossEntropy }
  const shown = Object.fromEntries(keys.map((key) => [key, others[key]!]))
  return `${name.padEnd(width)} ${scoreParts({ ...shown, ...loss }).join('  ')}`
}
