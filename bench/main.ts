/**
 * `npm run bench -- NAME [--json] [options]`, `npm run bench -- --list`. Progress and warnings go to stderr; stdout gets one
 * line: the figure in words, or with --json one object. Exit code: 0 it holds, 1 it does not or the work failed, 2 the
 * command line is wrong.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf, QuernError } from '../src/core/errors.ts'
import { type BenchCommand, readArguments } from './arguments.ts'
import { records } from './index.ts'
import { root, surroundings } from './machine.ts'
import { peers } from './peers.ts'
import { runProcess } from './processes.ts'
import { type BenchContext, type BenchRecord, type Figure, figureHolds } from './record.ts'

const say = (message: string): void => console.error(message)

function listed({ json }: BenchCommand): string {
  if (json) {
    return JSON.stringify(
      records.map(({ name, title, takes, needs, options }) => ({ name, title, takes, needs, options })),
    )
  }
  return records
    .flatMap(({ name, title, takes, needs, options }) => [
      `${name.padEnd(16)} ${title} (${takes}${needs.length > 0 ? `; needs ${needs.join(', ')}` : ''})`,
      ...Object.entries(options).map(([key, spec]) => `  --${key.padEnd(13)} ${spec.summary}; default ${spec.default}`),
    ])
    .join('\n')
}

async function prepare({ needs, builds }: BenchRecord, prebuilt: boolean): Promise<void> {
  for (const name of needs) await peers[name]!()
  if (!builds || prebuilt) return
  say('building dist/')
  await runProcess([process.execPath, `${root}/scripts/build.mjs`])
}

async function measure(record: BenchRecord, { options, prebuilt }: BenchCommand): Promise<Figure> {
  await prepare(record, prebuilt)
  const folder = await mkdtemp(join(tmpdir(), 'quern-bench-'))
  const read = <T>(name: string): T => {
    if (!Object.hasOwn(options, name)) throw new Error(`${record.name} has no option '${name}'`)
    return options[name] as T
  }
  const context: BenchContext = { number: read, flag: read, text: read, folder, progress: say }
  try {
    return await record.run(context)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The figure for a person. */
function sentence(name: string, figure: Figure, changed: readonly string[]): string {
  const { metric, unit, value, floor, better } = figure
  const demanded = floor === undefined ? '' : `, ${better === 'lower' ? 'at most' : 'at least'} ${floor}`
  const verdict = floor === undefined ? '' : figureHolds(figure) ? ': holds' : ': DOES NOT HOLD'
  const warned =
    changed.length > 0 ? ` (with other ${changed.map((key) => `--${key}`).join(', ')} than its record says)` : ''
  return `${name}: ${[metric, value, unit].filter((part) => part !== undefined).join(' ')}${demanded}${verdict}${warned}`
}

async function main(words: readonly string[]): Promise<number> {
  const command = readArguments(words, records)
  const { record, json, options, changed } = command
  if (command.list) {
    console.log(listed(command))
    return 0
  }
  if (!record) {
    throw new QuernError('config', `name a benchmark: ${records.map(({ name }) => name).join(', ')}`, {
      hint: 'npm run bench -- NAME [--json]',
    })
  }
  const at = surroundings()
  for (const warning of at.warnings) say(`warning: ${warning}`)
  const start = performance.now()
  const figure = await measure(record, command)
  const seconds = Number(((performance.now() - start) / 1000).toFixed(1))
  const holds = figureHolds(figure)
  if (json) console.log(JSON.stringify({ name: record.name, ...figure, holds, options, changed, seconds, ...at }))
  else console.log(sentence(record.name, figure, changed))
  return holds ? 0 : 1
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  say(`bench: ${messageOf(error)}`)
  if (error instanceof QuernError) {
    if (error.hint !== undefined) say(error.hint)
    process.exitCode = error.kind === 'config' ? 2 : 1
  } else {
    say(error instanceof Error ? (error.stack ?? '') : '')
    process.exitCode = 1
  }
}
