import { join } from 'node:path'
import { type Command, configOption, modelOption } from '../command.ts'
import { baselineLines, evaluationLines } from '../render/evaluation.ts'
import { progressLine } from '../render/progress-line.ts'

export const evaluate: Command = {
  name: 'evaluate',
  summary: 'score a model on unseen data, write a report',
  options: [
    modelOption,
    {
      flags: '--split <split>',
      summary: 'the part of the data',
      choices: ['test', 'validation', 'train'],
      default: 'test',
    },
    configOption,
  ],
  examples: ['quern evaluate', 'quern evaluate --model 20261123-14 --split validation'],
  async run({ terminal, project, services }, _, { model, split, config }) {
    const found = await project(config)
    const { evaluateModel } = await import('../../actions/evaluate.ts')
    const { report, baselines, files } = await evaluateModel(await services(found.root), found, {
      model: String(model),
      split: split as 'test' | 'validation' | 'train',
      onProgress: (done, total) =>
        terminal.live((columns) => progressLine({ title: 'evaluating', done, total, parts: [] }, columns)),
    })
    const [html, json] = [join(found.root, files.html), join(found.root, files.json)]
    terminal.document({ split, report, baselines, files: { html, json } })
    terminal.print(
      ...evaluationLines(report, String(split), terminal),
      ...baselineLines(report, baselines, terminal),
      '',
      `report   ${html}`,
      `numbers  ${json}`,
    )
    return 0
  },
}
