/** The files of a new project on a table. */
import type { StarterOptions } from './task.ts'

/** A text as TypeScript writes it, in single quotes: a path may hold quotes and backslashes. */
function quoted(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}

/** A name as a key of an object. */
const keyFrom = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name))

/** Configuration, README and .gitignore. */
export function tabularStarter(
  task: 'tabular-classification' | 'tabular-regression' | 'tabular-multilabel',
  { source = './rows.csv', name, target = 'target' }: StarterOptions,
): Readonly<Record<string, string>> {
  return {
    'quern.config.ts': `import { defineProject } from 'quern'

// Every setting and its default: npx quern config --resolved
export default defineProject({
  task: '${task}',
  name: ${quoted(name)},
  data: {
    source: ${quoted(source)}, // .csv, .tsv, .json, .jsonl or .parquet, with the columns' names
    target: ${quoted(target)}, // the column to be answered
    columns: ${task === 'tabular-multilabel' ? `{ ${keyFrom(target)}: 'set' }` : '{}'}, // what inspect gets wrong: { code: 'category', id: 'ignore', joined: { format: '%d.%m.%Y' } }
    split: { validation: 0.1, test: 0.1 }, // or by 'group', 'time', 'hash', 'column', 'k-fold'
  },
  model: { name: 'mlp', hidden: [64, 32], dropout: 0.1 }, // a linear model is always trained beside it
  train: { epochs: 40, batchSize: 32 },
})
`,
    'README.md': `# ${name}

A model on the rows of a table, made with Quern. The table is ${source}${target === 'target' ? '; name its target in quern.config.ts' : `, its target '${target}'`}. Then:

    npx quern inspect       # what is in the columns, and what is wrong with them
    npx quern train         # trains it and a linear model, writes a bundle and a report
    npx quern evaluate      # scores on rows that training has never seen
    npx quern predict FILE  # answers for the rows of a CSV, JSON or Parquet file
    npx quern serve         # the same over HTTP
`,
    '.gitignore': `.quern/
node_modules/
`,
  }
}
