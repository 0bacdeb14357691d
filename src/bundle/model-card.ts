/** README.md of a bundle: what the model is, how good, how it was made, how to use it, and what it cannot do. */
import type { Manifest } from '../contract/manifest.ts'
import { table, text } from './markdown.ts'
import { usage } from './model-card-usage.ts'

/** Everything in the card comes from the manifest; names and labels of users are escaped. */
export function modelCard(manifest: Omit<Manifest, 'files'>): string {
  const sections = [
    frontMatter(manifest),
    `# ${text(manifest.name)}`,
    about(manifest),
    '## Quality',
    quality(manifest),
    '## Labels',
    labels(manifest),
    '## How it was made',
    making(manifest),
    '## How to use it',
    usage(manifest),
    '## Limits',
    limits(manifest),
  ]
  return `${sections.join('\n\n')}\n`
}

type Described = Omit<Manifest, 'files'>

/** The keys that model hubs read. */
function frontMatter({ task }: Described): string {
  return ['---', 'library_name: quern', `pipeline_tag: ${JSON.stringify(task)}`, 'tags:', '- onnx', '---'].join('\n')
}

function about({ task, labels, inputs, outputs, preprocessing, created }: Described): string {
  const colour = preprocessing.channels === 1 ? 'grey' : 'colour'
  const port = ({ name, dtype, shape }: Described['inputs'][number]): string =>
    `\`${name}\` ${dtype} \`[${shape.join(', ')}]\``
  return [
    `A model for ${text(task)}: it takes a ${colour} picture, made ${preprocessing.width} x ${preprocessing.height} pixels`,
    `(${preprocessing.fit}), and gives each of ${labels.length} labels a probability. Made with Quern, ${text(created)}.`,
    '',
    `Input of \`model.onnx\`: ${inputs.map(port).join(', ')}. Output: ${outputs.map(port).join(', ')}.`,
    'Scaling of the pixels is inside the graph: it takes the numbers from 0 to 255 as they are.',
  ].join('\n')
}

function quality({ metrics, lineage }: Described): string {
  const splits = Object.keys(metrics)
  const names = [...new Set(splits.flatMap((split) => Object.keys(metrics[split]!)))]
  if (names.length === 0) return 'The model was not evaluated.'
  const header = splits.map((split) => `${split} (${lineage.data.examples[split] ?? 'unknown number of'} examples)`)
  const rows = names.map((name) => [name, ...splits.map((split) => score(metrics[split]![name]))])
  const notes = metrics.test
    ? []
    : ['', 'There was no test split: these numbers were seen while training and are too good.']
  return [table(['metric', ...header], rows), ...notes].join('\n')
}

function score(value: number | undefined): string {
  return value === undefined ? '-' : String(Number(value.toPrecision(5)))
}

function labels({ labels }: Described): string {
  const most = 100
  const shown = labels.slice(0, most).map((label, i) => `${i}. ${text(label)}`)
  const rest = labels.length > most ? [`\n... and ${labels.length - most} more, in quern.json.`] : []
  return [...shown, ...rest].join('\n')
}

function making({ lineage, versions }: Described): string {
  const { run, seed, data, epochs, bestEpoch, seconds, config } = lineage
  const examples = Object.entries(data.examples).map(([split, count]) => `${count} ${split}`)
  const rows = [
    ['run', run],
    ['seed', String(seed)],
    ['examples', examples.join(', ') || 'unknown'],
    ['sha256 of the data', data.sha256],
    ['epochs', `${epochs}, parameters of epoch ${bestEpoch}`],
    ['time', `${Math.round(seconds)} s`],
    ...Object.entries(versions).map(([name, version]) => [`version of ${name}`, version]),
  ]
  // A fence longer than any in the text cannot be closed from inside.
  const json = JSON.stringify(config, null, 2)
  const longest = Math.max(2, ...[...json.matchAll(/`+/g)].map(([ticks]) => ticks.length))
  const fence = '`'.repeat(longest + 1)
  return [
    table(['', ''], rows),
    '',
    'The same data, configuration, seed and versions on the same kind of machine give the same model.',
    '',
    '<details><summary>Configuration</summary>',
    '',
    `${fence}json\n${json}\n${fence}`,
    '',
    '</details>',
  ].join('\n')
}

function limits({ metrics, lineage, labels, preprocessing }: Described): string {
  const tested = lineage.data.examples.test
  const points = [
    `It knows ${labels.length} labels and always chooses among them, also for a picture that shows none of them.`,
    'A score is what the network computes, not a promise: unless the report says otherwise, it was not calibrated.',
    metrics.test && tested !== undefined
      ? `The metrics hold for pictures like the ${tested} of the test split. On other cameras, places or times they can be far lower.`
      : 'No independent test set was used: how good the model is on new pictures is not known.',
    'It was not examined for unfair treatment of people, nor for pictures made to deceive it.',
    `Pictures are reduced to ${preprocessing.width} x ${preprocessing.height} pixels: smaller details are lost.`,
  ]
  return points.map((point) => `- ${point}`).join('\n')
}
