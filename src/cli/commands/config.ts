import { type Command, configOption } from '../command.ts'

export const config: Command = {
  name: 'config',
  summary: 'check the configuration and print it',
  options: [{ flags: '--resolved', summary: 'with every default' }, configOption],
  examples: ['quern config', 'quern config --resolved'],
  async run({ world, terminal, project }, _, { config, resolved }) {
    const found = await project(config)
    const { resolvedConfig } = await import('../../actions/project.ts')
    const value = resolvedConfig(found)
    if (resolved) {
      terminal.document(value)
      terminal.print(JSON.stringify(value, undefined, 2))
      return 0
    }
    const { findConfig, loadConfig } = await import('../load-config.ts')
    const file = await findConfig(world.cwd, typeof config === 'string' ? config : undefined)
    const written = await loadConfig(file)
    terminal.document({ file, config: written })
    terminal.print(`${file} is valid`, JSON.stringify(written, undefined, 2))
    return 0
  },
}
