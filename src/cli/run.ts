/** Reads a command line and runs its verb. Every outcome is an exit code: 0 done, 1 failed, 2 wrong command line or config. */
import { dirname, resolve } from 'node:path'
import { CommanderError, createCommand, createOption, type Command as Program } from 'commander'
import { QuernError } from '../core/errors.ts'
import type { Command, CommandOption, Context } from './command.ts'
import { commands } from './commands/index.ts'
import { exitCodeOf, reportError } from './render/error.ts'
import { Terminal } from './terminal.ts'
import { version } from './version.ts'
import type { World } from './world.ts'

/** Runs `quern` with arguments (without 'node' and 'quern'); resolves to the exit code and never rejects. */
export async function run(argv: readonly string[], world: World): Promise<number> {
  const asJson = argv.includes('--json')
  const terminal = new Terminal(world, asJson)
  let [code, isStream] = [0, false]
  try {
    const program = programFor(world, async (command, args, options) => {
      isStream = command.streams === true
      code = (await command.run(contextFor(world, terminal), args, options)) ?? 0
    })
    if (argv.length === 0) {
      program.outputHelp({ error: true })
      return 2
    }
    await program.parseAsync(argv, { from: 'user' })
    return code
  } catch (error) {
    const cause = error instanceof CommanderError ? commandLineError(error) : error
    if (cause === undefined) return 0
    reportError(cause, terminal, { isStream, isVerbose: argv.includes('--verbose') })
    return exitCodeOf(cause)
  } finally {
    terminal.clear()
  }
}

type Act = (
  command: Command,
  args: readonly string[],
  options: Record<string, string | boolean | undefined>,
) => Promise<void>

function programFor(world: World, act: Act): Program {
  const program = createCommand('quern')
    .description('From your own data to a model that you own: train, evaluate, use and serve it.')
    .version(version(), '-V, --version', 'print the version')
    .option('--json', 'results as JSON on stdout, everything else on stderr')
    .option('--verbose', 'errors with their stack')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({ showGlobalOptions: true, helpWidth: Math.min(world.stdout.columns ?? 100, 120) })
    .configureOutput({
      writeOut: (text) => void world.stdout.write(text),
      writeErr: (text) => void world.stderr.write(text),
      // Said by reportError, in the form of all errors.
      outputError: () => undefined,
    })
    .exitOverride()
  for (const command of commands) addCommand(program, command, act)
  program.addHelpText('after', '\nBegin with: quern init my-app\nMore on a command: quern help train')
  return program
}

function addCommand(program: Program, command: Command, act: Act): void {
  const sub = program.command(command.name).description(command.summary).summary(command.summary)
  for (const [syntax, summary] of command.arguments ?? []) sub.argument(syntax, summary)
  for (const option of command.options) sub.addOption(optionFrom(option))
  sub.addHelpText('after', `\nExamples:\n${command.examples.map((line) => `  $ ${line}`).join('\n')}`)
  sub.action(() => act(command, sub.args, sub.opts()))
}

function optionFrom({ flags, summary, default: value, choices }: CommandOption): ReturnType<typeof createOption> {
  const option = createOption(flags, summary)
  if (choices) option.choices(choices)
  return value === undefined ? option : option.default(value)
}

/** Commander's complaint in our form; undefined for help and version, which are no errors. */
function commandLineError({ exitCode, message }: CommanderError): QuernError | undefined {
  if (exitCode === 0) return undefined
  const [first = '', ...rest] = message.replace(/^error: /, '').split('\n')
  const near = rest.join(' ').replace(/^\((.*)\)$/, '$1')
  const hint = near === '' ? 'quern --help lists the commands, quern help COMMAND its options.' : near
  return new QuernError('config', first.replace(/\.$/, ''), { hint })
}

function contextFor(world: World, terminal: Terminal): Context {
  return {
    world,
    terminal,
    async project(config) {
      const { findConfig, loadConfig } = await import('./load-config.ts')
      const file = await findConfig(world.cwd, typeof config === 'string' ? config : undefined)
      const raw = await loadConfig(file)
      const { resolveProject } = await import('../actions/project.ts')
      const { relative } = await import('node:path')
      return resolveProject(raw, { root: dirname(file), what: relative(world.cwd, file) || file })
    },
    async services(root) {
      const folder = resolve(world.cwd, root ?? '.')
      if (world.services) return world.services(folder)
      const { createServices } = await import('./services.ts')
      const log = {
        info: (message: string) => terminal.note(message),
        warn: (message: string) => terminal.warn(message),
      }
      return createServices({ root: folder, cwd: world.cwd, log, now: world.now })
    },
  }
}
