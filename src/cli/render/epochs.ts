/** Epochs of a run as columns and as lines. */
import type { EpochEvent, Scores } from '../../contract/events.ts'
import { formatDuration, formatName, formatScore } from './numbers.ts'
import type { Column } from './table.ts'

/** 'loss 0.1234  accuracy 0.9612' */
export function scoreParts(scores: Scores, prefix = ''): string[] {
  return Object.entries(scores).map(([name, value]) => `${prefix}${formatName(name)} ${formatScore(value)}`)
}

export function epochColumns(epochs: readonly EpochEvent[]): Column<EpochEvent>[] {
  const names = (pick: (event: EpochEvent) => Scores | undefined): string[] => [
    ...new Set(epochs.flatMap((event) => Object.keys(pick(event) ?? {}))),
  ]
  const score = (
    title: string,
    scores: (event: EpochEvent) => Scores | undefined,
    name: string,
  ): Column<EpochEvent> => ({
    title,
    align: 'right',
    value: (event) => {
      const value = scores(event)?.[name]
      return value === undefined ? '' : formatScore(value)
    },
  })
  return [
    { title: 'epoch', align: 'right', value: ({ epoch }) => String(epoch) },
    ...names(({ train }) => train).map((name) => score(formatName(name), ({ train }) => train, name)),
    ...names(({ validation }) => validation).map((name) =>
      score(`validation ${formatName(name)}`, ({ validation }) => validation, name),
    ),
    { title: 'time', align: 'right', value: ({ seconds }) => formatDuration(seconds) },
    { title: '', value: ({ best }) => (best ? 'best' : '') },
  ]
}
