import { join } from 'node:path'
import { type Command, configOption } from '../command.ts'
import { modelLines } from '../render/model.ts'
import { profileLines } from '../render/profile.ts'
import { progressLine } from '../render/progress-line.ts'

export const inspect: Command = {
  name: 'inspect',
  summary: 'what is in the data, and what is wrong with it; or what is in a model',
  arguments: [['[model]', 'an ONNX file, a bundle, a run or a Hugging Face style folder, in the place of the data']],
  options: [configOption],
  examples: ['quern inspect', 'quern inspect model.onnx', 'quern inspect --json > profile.json'],
  async run({ terminal, project, services }, [model], { config }) {
    if (model !== undefined) {
      const { inspectModel } = await import('../../actions/inspect-model.ts')
      const inspected = await inspectModel(await services(), model)
      terminal.document(inspected)
      terminal.print(...modelLines(inspected, terminal))
      return 0
    }
    const found = await project(config)
    const { inspectData, profileFiles } = await import('../../actions/inspect.ts')
    const profile = await inspectData(await services(found.root), found, {
      onProgress: (done, total) =>
        terminal.live((columns) => progressLine({ title: 'reading pictures', done, total, parts: [] }, columns)),
    })
    terminal.document(profile)
    terminal.print(...profileLines(profile, terminal))
    terminal.print('', `profile ${join(found.root, profileFiles.html)} (and .json)`)
    return 0
  },
}
