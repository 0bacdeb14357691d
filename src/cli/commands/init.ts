import { join } from 'node:path'
import type { Command } from '../command.ts'

export const init: Command = {
  name: 'init',
  summary: 'make a new project: a configuration and a README',
  arguments: [['[folder]', 'where (default: here)']],
  options: [
    { flags: '--task <task>', summary: 'what the model is for', default: 'image-classification' },
    { flags: '--source <path>', summary: "the data, from the project's folder (default: ./photos, or ./rows.csv)" },
    { flags: '--name <name>', summary: "the model's name (default: the folder's)" },
  ],
  examples: [
    'quern init my-app',
    'quern init sales --task tabular-regression --source sales.csv',
    'quern init my-app --source ../photos',
  ],
  async run({ world, terminal, services }, [folder = '.'], { task, source, name }) {
    const { initProject } = await import('../../actions/init.ts')
    const named = folder === '.' && name === undefined ? nameOf(world.cwd) : name
    const { files } = await initProject(await services(folder), {
      folder,
      task: String(task),
      ...(typeof source === 'string' ? { source } : {}),
      ...(typeof named === 'string' ? { name: named } : {}),
    })
    terminal.document({ folder, files })
    const { dim, bold } = terminal.colors
    terminal.print(...files.map((file) => `wrote ${join(folder, file)}`))
    const first = String(task).startsWith('tabular')
      ? `Name the table and its target in ${bold('quern.config.ts')}, then:`
      : `Put the pictures of each class into a folder of its own below ${bold(typeof source === 'string' ? source : './photos')}, then:`
    terminal.print(
      '',
      first,
      ...(folder === '.' ? [] : [`  cd ${folder}`]),
      `  npx quern inspect   ${dim('what is in the data')}`,
      `  npx quern train     ${dim('train a model')}`,
    )
    return 0
  },
}

/** The current folder's name as a model's name; the action makes one of any other folder. */
function nameOf(cwd: string): string | undefined {
  const last = cwd.split(/[\\/]/).findLast((part) => part !== '')
  return last?.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || undefined
}
