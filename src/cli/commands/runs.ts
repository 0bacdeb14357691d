import type { EpochEvent } from '../../contract/events.ts'
import type { RunState, RunStatus } from '../../store/runs.ts'
import { type Command, configOption } from '../command.ts'
import { epochColumns } from '../render/epochs.ts'
import { formatName, formatScore } from '../render/numbers.ts'
import { type Column, table } from '../render/table.ts'
import { harmless } from '../render/text-width.ts'
import type { Colors, Terminal } from '../terminal.ts'

export const runs: Command = {
  name: 'runs',
  summary: 'the training runs of this project, or one of them',
  arguments: [['[run]', "a run's id, the beginning of it, or 'latest'"]],
  options: [configOption],
  examples: ['quern runs', 'quern runs latest --json'],
  async run({ world, terminal, services }, [id], { config }) {
    const { listRuns, showRun } = await import('../../actions/runs.ts')
    const all = await services(await rootOf(world.cwd, config))
    if (id !== undefined) {
      const details = await showRun(all, id)
      terminal.document(details)
      const epochs = details.events.filter((event): event is EpochEvent => event.type === 'epoch')
      terminal.print(...statusLines(details.status, terminal.colors), '')
      if (epochs.length > 0) terminal.print(...table(epochColumns(epochs), epochs, look(terminal)))
      return 0
    }
    const list = await listRuns(all)
    terminal.document(list)
    if (list.length === 0) terminal.print('no runs yet: start one with `quern train`')
    else terminal.print(...table(columnsOf(), list, look(terminal)))
    for (const { id, error } of list) if (error !== undefined) terminal.note(harmless(`${id}: ${error}`))
    return 0
  },
}

function look(terminal: Terminal): { width: number; title: (text: string) => string } {
  return { width: terminal.width, title: terminal.colors.dim }
}

/** Runs are kept beside the configuration; a project whose configuration is broken still has them. */
async function rootOf(cwd: string, config: unknown): Promise<string> {
  if (typeof config !== 'string') return cwd
  const { dirname } = await import('node:path')
  const { findConfig } = await import('../load-config.ts')
  return dirname(await findConfig(cwd, config))
}

const when = (iso: string): string => iso.slice(0, 16).replace('T', ' ')

function scoresText(scores: RunStatus['scores'], most: number): string {
  const named = Object.entries(scores).slice(0, most)
  return named.map(([name, value]) => `${formatName(name)} ${formatScore(value)}`).join(', ')
}

function columnsOf(): Column<RunStatus>[] {
  return [
    { title: 'run', value: ({ id }) => id, isWhole: true },
    { title: 'state', value: ({ state }) => state },
    { title: 'started (UTC)', value: ({ started }) => when(started) },
    { title: 'epochs', value: ({ epochs }) => String(epochs), align: 'right' },
    { title: 'scores', value: ({ scores }) => scoresText(scores, 3) },
  ]
}

function statusLines(status: RunStatus, { bold, green, yellow, red, cyan }: Colors): string[] {
  const paint: Record<RunState, (text: string) => string> = {
    finished: green,
    running: cyan,
    interrupted: yellow,
    failed: red,
  }
  const { id, state, task, started, updated, epochs, step, scores, error } = status
  const lines: [string, string][] = [
    ['run', bold(harmless(id))],
    ['state', (paint[state] ?? red)(state)],
    ['task', harmless(task)],
    ['started', `${when(started)} UTC, last sign of life ${when(updated)} UTC`],
    ['progress', `${epochs} epochs, ${step} steps`],
    ['scores', scoresText(scores, 12)],
    ['error', error === undefined ? '' : harmless(error)],
    ['resume', state === 'interrupted' || state === 'failed' ? `quern train --resume ${id}` : ''],
  ]
  return lines.filter(([, text]) => text !== '').map(([name, text]) => `${name.padEnd(9)} ${text}`)
}
