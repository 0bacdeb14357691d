/** The command line of `npm run bench`: a record's name, options of all records, options of that record. */
import { QuernError, suggestion } from '../src/core/errors.ts'
import type { BenchRecord, OptionSpec } from './record.ts'

export type OptionValue = OptionSpec['default']

export interface BenchCommand {
  readonly record: BenchRecord | undefined
  readonly json: boolean
  readonly list: boolean
  /** dist/ is measured as it stands */
  readonly prebuilt: boolean
  /** of the record, with defaults */
  readonly options: Readonly<Record<string, OptionValue>>
  /** names of the options that differ from their defaults: the figure was not measured as its record says */
  readonly changed: readonly string[]
}

/** Options of every record. */
const general: Readonly<Record<string, OptionSpec>> = {
  json: { default: false, summary: 'one JSON object on one line' },
  list: { default: false, summary: 'names of all benchmarks' },
  prebuilt: { default: false, summary: 'measure dist/ as it stands, without building it' },
}

/** Throws `config` for whatever is not known, with the nearest that is. */
export function readArguments(words: readonly string[], records: readonly BenchRecord[]): BenchCommand {
  // The name may stand anywhere, and only with it are the record's options known.
  const valued = new Set(records.flatMap(({ options }) => Object.keys(options).filter((key) => !isFlag(options[key]!))))
  const names = words.filter((word, i) => !word.startsWith('--') && !takesNext(words[i - 1], valued))
  const record = names[0] === undefined ? undefined : recordNamed(names[0], records)
  const specs = { ...general, ...record?.options }
  const values = Object.fromEntries(Object.entries(specs).map(([key, spec]) => [key, spec.default]))
  const place = names[0] === undefined ? -1 : words.indexOf(names[0])
  const rest = words.filter((_, i) => i !== place)
  for (let i = 0; i < rest.length; i++) {
    if (!rest[i]!.startsWith('--')) {
      throw new QuernError('config', `one benchmark at a time, received ${record?.name} and ${rest[i]}`)
    }
    const [key = '', inline] = rest[i]!.replace(/^--/, '').split(/=(.*)/s)
    const spec = Object.hasOwn(specs, key) ? specs[key] : undefined
    if (!spec) {
      throw new QuernError('config', `unknown option '--${key}'. ${suggestion(key, Object.keys(specs))}`)
    }
    values[key] = isFlag(spec) ? flag(key, inline) : parsed(key, spec, inline ?? rest[++i])
  }
  const { json, list, prebuilt, ...options } = values
  const own = record?.options ?? {}
  const changed = Object.keys(own).filter((key) => options[key] !== own[key]!.default)
  return { record, json: json === true, list: list === true, prebuilt: prebuilt === true, options, changed }
}

function recordNamed(name: string, records: readonly BenchRecord[]): BenchRecord {
  const found = records.find((record) => record.name === name)
  if (found) return found
  const known = records.map((record) => record.name)
  throw new QuernError('config', `unknown benchmark '${name}'. ${suggestion(name, known)}`, {
    hint: 'All of them: npm run bench -- --list',
  })
}

const isFlag = (spec: OptionSpec): boolean => typeof spec.default === 'boolean'

/** Whether the word before is an option whose value follows it. */
function takesNext(before: string | undefined, valued: ReadonlySet<string>): boolean {
  return before?.startsWith('--') === true && valued.has(before.slice(2))
}

function flag(key: string, inline: string | undefined): boolean {
  if (inline === undefined) return true
  throw new QuernError('config', `--${key} takes no value, received '${inline}'`)
}

function parsed(key: string, spec: OptionSpec, text: string | undefined): OptionValue {
  if (text === undefined) throw new QuernError('config', `--${key} needs a value: ${spec.summary}`)
  if (typeof spec.default === 'string') {
    if (!spec.choices || spec.choices.includes(text)) return text
    throw new QuernError('config', `--${key} does not know '${text}'. ${suggestion(text, spec.choices)}`)
  }
  const value = Number(text)
  if (Number.isInteger(value) && value >= 0) return value
  throw new QuernError('config', `--${key} must be a whole number, received '${text}'`)
}
