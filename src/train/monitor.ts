/** The one number that decides which epoch is best. */

import type { Scores } from '../contract/events.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import type { Scorer } from './scores.ts'

export interface Monitor {
  readonly split: 'train' | 'validation'
  readonly key: string
  readonly higherIsBetter: boolean
  /** every epoch counts as the best so far */
  readonly latest?: boolean
}

/** Monitors nothing: a run ends with the parameters of its last epoch. The losses of a GAN do not say which epoch was best. */
export const latest = 'latest'

/**
 * 'validationLoss', 'accuracy', ... as split and key, or 'latest'. Throws `config` for a name that the run does not compute.
 *
 * @param losses names of losses besides 'loss'
 */
export function resolveMonitor(
  name: string | undefined,
  scorer: Scorer,
  hasValidation: boolean,
  losses: readonly string[] = [],
): Monitor {
  if (name === latest) return { split: 'train', key: 'loss', higherIsBetter: false, latest: true }
  const keys = ['loss', ...losses, ...Object.keys(scorer.values())]
  const capital = (key: string) => `validation${key[0]!.toUpperCase()}${key.slice(1)}`
  const known = new Map<string, Monitor>()
  for (const key of keys) {
    const higherIsBetter = scorer.higherIsBetter.has(key)
    known.set(key, { split: 'train', key, higherIsBetter })
    if (hasValidation) known.set(capital(key), { split: 'validation', key, higherIsBetter })
  }
  const wanted = name ?? (hasValidation ? 'validationLoss' : 'loss')
  const found = known.get(wanted)
  if (found) return found
  const why = wanted.startsWith('validation') && !hasValidation ? ' (there is no validation split)' : ''
  throw new QuernError('config', `cannot monitor '${wanted}'${why}. ${suggestion(wanted, known.keys())}`)
}

export function monitoredValue(monitor: Monitor, scores: { train: Scores; validation?: Scores }): number {
  return scores[monitor.split]![monitor.key]!
}

export function isBetter(monitor: Monitor, value: number, than: number, minDelta: number): boolean {
  if (monitor.latest) return true
  return monitor.higherIsBetter ? value > than + minDelta : value < than - minDelta
}
