import { type Command, configOption } from '../command.ts'
import { profileLines } from '../render/profile.ts'
import { progressLine } from '../render/progress-line.ts'

export const inspect: Command = {
  name: 'inspect',
  summary: 'what is in the data, and what is wrong with it',
  options: [configOption],
  examples: ['quern inspect', 'quern inspect --json > profile.json'],
  async run({ terminal, project, services }, _, { config }) {
    const found = await project(config)
    const { inspectData } = await import('../../actions/inspect.ts')
    const profile = await inspectData(await services(found.root), found, {
      onProgress: (done, total) =>
        terminal.live((columns) => progressLine({ title: 'reading pictures', done, total, parts: [] }, columns)),
    })
    terminal.document(profile)
    terminal.print(...profileLines(profile, terminal))
    return 0
  },
}
