/** What the model card says of tables: the columns, code, and limits. */
import { type TablePreprocessing, type TargetAnswer, targetsOf } from '../contract/manifest.ts'
import { QuernError } from '../core/errors.ts'
import { fenced, table } from './markdown.ts'
import type { CardParts, Described } from './task-pipeline.ts'

/** The manifest's preprocessing, which must be that of a table. */
export function tablePreprocessing({ preprocessing, task }: Described, what: string): TablePreprocessing {
  if (preprocessing.kind === 'table') return preprocessing
  throw new QuernError('input', `${what}: quern.json: ${task} takes rows, 'preprocessing' is of ${preprocessing.kind}`)
}

const mostColumns = 50
/** values that a line of code shows; a row needs all */
const mostInCode = 8

/** Of one target of several. */
const answered = ({ target, labels }: TargetAnswer): string =>
  labels.length > 0 ? `gives each of ${labels.length} labels of '${target}' a probability` : `estimates '${target}'`

export const tabularCard: CardParts = {
  about(manifest) {
    const { columns, target, answers } = tablePreprocessing(manifest, 'the new bundle')
    const { labels } = manifest
    const shown = columns.slice(0, mostColumns).map(({ name, kind, feature }) => [name, kind, feature])
    const rest = columns.length - shown.length
    return [
      `it takes a row of ${columns.length} columns and`,
      labels.length > 0
        ? `gives each of ${labels.length} labels of '${target}' a probability.`
        : `${(answers ?? []).length > 0 ? answers!.map(answered).join(', ') : `estimates '${targetsOf(target).join("', '")}'`}.`,
      'Filling of missing values, scaling and embedding are inside the graph: it takes numbers as they are, and texts by their place in',
      'the vocabularies of `quern.json`.',
      '',
      table(['column', 'holds', 'feature'], shown),
      ...(rest > 0 ? [`\n... and ${rest} more, in quern.json.`] : []),
      '',
    ].join('\n')
  },

  usage(manifest) {
    const { columns } = tablePreprocessing(manifest, 'the new bundle')
    const row = columns
      .slice(0, mostInCode)
      .map(({ name, kind }) => `${JSON.stringify(name)}: ${kind === 'number' ? '1.5' : "'...'"}`)
    const code = [
      `import { pipeline } from 'quern'`,
      '',
      `const predict = await pipeline('${manifest.task}', '.') // this folder`,
      `console.log(await predict({ ${row.join(', ')}${columns.length > mostInCode ? ', ...' : ''} }))`,
    ].join('\n')
    const shell = ['quern predict rows.csv --model .', 'quern serve --model .'].join('\n')
    return [
      'With Quern, a value for each column, null where it is not known:',
      fenced('ts', code),
      fenced('sh', shell),
    ].join('\n\n')
  },

  limits({ metrics, lineage, baselines = {} }) {
    const tested = lineage.data.examples.test
    return [
      metrics.test && tested !== undefined
        ? `The metrics hold for rows like the ${tested} of the test split: from the same place and time.`
        : 'No independent test set was used: how good the model is on new rows is not known.',
      'What goes together in the data need not be a cause: the model says what to expect, not what to do.',
      'Values beyond those of training are answered all the same; texts that training did not hold count as unknown.',
      ...(Object.keys(baselines).length > 0 ? ['Where a simple model above is as good, use the simple model.'] : []),
    ]
  },
}
