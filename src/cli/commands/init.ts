import { existsSync } from 'node:fs'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import type { Command } from '../command.ts'

export const init: Command = {
  name: 'init',
  summary: 'make a new project: a configuration and a README',
  arguments: [['[folder]', 'where (default: here)']],
  options: [
    { flags: '--task <task>', summary: 'what the model is for', default: 'image-classification' },
    {
      flags: '--source <path>',
      summary: 'the data: a path from here, or an address (default: ./photos, or ./rows.csv)',
    },
    { flags: '--target <column>', summary: 'of a table: the column to be answered' },
    { flags: '--name <name>', summary: "the model's name (default: the folder's)" },
  ],
  examples: [
    'quern init my-app',
    'quern init sales --task tabular-regression --source sales.csv --target price',
    'quern init my-app --source ../photos',
  ],
  async run({ world, terminal, services }, [folder = '.'], { task, source: typed, target, name }) {
    const { initProject } = await import('../../actions/init.ts')
    const named = folder === '.' && name === undefined ? nameOf(world.cwd) : name
    const source = typeof typed === 'string' ? fromFolder(world.cwd, folder, typed) : undefined
    const { files } = await initProject(await services(folder), {
      folder,
      task: String(task),
      ...(source === undefined ? {} : { source }),
      ...(typeof target === 'string' ? { target } : {}),
      ...(typeof named === 'string' ? { name: named } : {}),
    })
    terminal.document({ folder, files })
    const { dim, bold } = terminal.colors
    terminal.print(...files.map((file) => `wrote ${join(folder, file)}`))
    const isTable = String(task).startsWith('tabular')
    const first = !isTable
      ? `Put the pictures of each class into a folder of its own below ${bold(source ?? './photos')}, then:`
      : source === undefined || target === undefined
        ? `Name the table and its target in ${bold('quern.config.ts')}, then:`
        : 'Next:'
    const isMissing = source !== undefined && isPath(source) && !existsSync(resolve(world.cwd, folder, source))
    terminal.print(
      ...(isMissing ? [`${source} is not there yet: the configuration names it from ${join(folder, '.')}`] : []),
      '',
      first,
      ...(folder === '.' ? [] : [`  cd ${folder}`]),
      `  npx quern inspect   ${dim('what is in the data')}`,
      `  npx quern train     ${dim('train a model')}`,
    )
    return 0
  },
}

/** Whether a source is neither an address nor a pattern. */
const isPath = (source: string): boolean => !/^[a-z][a-z0-9+.-]+:|[*?{[]/i.test(source)

/**
 * A path that was typed from where the user is, as the configuration writes it: from the project's folder. What is not there yet, or is an address, is
 * taken as it stands.
 */
function fromFolder(cwd: string, folder: string, source: string): string {
  const [, scheme = '', path = ''] = /^(sqlite:)?(.*)$/.exec(source) ?? []
  const project = resolve(cwd, folder)
  const isThere = existsSync(resolve(cwd, path)) && !existsSync(resolve(project, path))
  if (isAbsolute(path) || path.includes('://') || !isThere) return source
  const found = relative(project, resolve(cwd, path)).split(sep).join('/')
  return `${scheme}${found.startsWith('.') ? found : `./${found}`}`
}

/** The current folder's name as a model's name; the action makes one of any other folder. */
function nameOf(cwd: string): string | undefined {
  const last = cwd.split(/[\\/]/).findLast((part) => part !== '')
  return last?.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || undefined
}
