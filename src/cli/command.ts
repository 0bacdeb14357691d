/** The command record: one file a verb in commands/, one table in commands/index.ts. */
import type { Project, Services } from '../actions/services.ts'
import { QuernError } from '../core/errors.ts'
import type { Terminal } from './terminal.ts'
import type { World } from './world.ts'

export interface CommandOption {
  /** as commander reads it: '--top <n>' */
  readonly flags: string
  readonly summary: string
  readonly default?: string
  readonly choices?: readonly string[]
}

export type OptionValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

export interface Command {
  readonly name: string
  /** one line for `quern --help` */
  readonly summary: string
  /** such as '[folder]' or '<files...>', each with what it is */
  readonly arguments?: readonly (readonly [syntax: string, summary: string])[]
  readonly options: readonly CommandOption[]
  readonly examples: readonly string[]
  /** results of --json are lines, one a result, not one document */
  readonly streams?: boolean
  /** Does the work; heavy modules are imported in here. Resolves to the exit code, 0 when it is undefined. */
  run(context: Context, args: readonly string[], options: OptionValues): Promise<number | undefined>
}

export interface Context {
  readonly world: World
  readonly terminal: Terminal
  /** the project of a configuration file; default: the one in the current folder */
  project(config: OptionValues[string]): Promise<Project>
  /** for a project's root; default: the folder of the configuration that is found, or the current one */
  services(root?: string): Promise<Services>
}

export const configOption: CommandOption = {
  flags: '--config <file>',
  summary: 'the configuration (default: quern.config.ts, .js, .mjs or .json here)',
}

export const modelOption: CommandOption = {
  flags: '--model <model>',
  summary: "a run's id or the beginning of it, 'latest', or the path of a bundle",
  default: 'latest',
}

/** A whole number from the command line. */
export function wholeNumber(value: OptionValues[string], name: string, least: number, most: number): number {
  const number = typeof value === 'string' && /^\d+$/.test(value.trim()) ? Number(value) : Number.NaN
  if (number >= least && number <= most) return number
  throw new QuernError('config', `${name} must be a whole number from ${least} to ${most}, received '${String(value)}'`)
}
