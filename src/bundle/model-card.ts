/** README.md of a bundle: what the model is, how good, how it was made, how to use it, and what it cannot do. */
import { answersOf } from '../contract/manifest.ts'
import { table, text } from './markdown.ts'
import type { Described } from './task-pipeline.ts'
import { taskPipelineOf } from './tasks.ts'

/** Everything in the card comes from the manifest; names and labels of users are escaped. */
export function modelCard(manifest: Described): string {
  const { card } = taskPipelineOf(manifest, 'the new bundle')
  const sections = [
    frontMatter(manifest),
    `# ${text(manifest.name)}`,
    about(manifest, card.about(manifest)),
    '## Quality',
    quality(manifest),
    ...labelSections(manifest),
    '## How it was made',
    making(manifest),
    '## How to use it',
    card.usage(manifest),
    '## Limits',
    limits(card.limits(manifest)),
  ]
  return `${sections.join('\n\n')}\n`
}

/** Of the only target, or of each that has classes. */
function labelSections(manifest: Described): string[] {
  if (manifest.labels.length > 0) return ['## Labels', labels(manifest)]
  return (answersOf(manifest) ?? []).flatMap((answer) =>
    answer.labels.length > 0 ? [`## Labels of ${text(answer.target)}`, labels(answer)] : [],
  )
}

/** The keys that model hubs read. */
function frontMatter({ task }: Described): string {
  return ['---', 'library_name: quern', `pipeline_tag: ${JSON.stringify(task)}`, 'tags:', '- onnx', '---'].join('\n')
}

function about({ task, inputs, outputs, created }: Described, takes: string): string {
  const port = ({ name, dtype, shape }: Described['inputs'][number]): string =>
    `\`${name}\` ${dtype} \`[${shape.join(', ')}]\``
  return [
    `A model for ${text(task)}: ${takes}`,
    `Made with Quern, ${text(created)}.`,
    '',
    `Input of \`model.onnx\`: ${inputs.map(port).join(', ')}. Output: ${outputs.map(port).join(', ')}.`,
  ].join('\n')
}

function quality({ metrics, lineage, baselines = {} }: Described): string {
  const splits = Object.keys(metrics)
  const names = [...new Set(splits.flatMap((split) => Object.keys(metrics[split]!)))]
  if (names.length === 0) return 'The model was not evaluated.'
  const header = splits.map((split) => `${split} (${lineage.data.examples[split] ?? 'unknown number of'} examples)`)
  const rows = names.map((name) => [name, ...splits.map((split) => score(metrics[split]![name]))])
  const notes = metrics.test
    ? []
    : ['', 'There was no test split: these numbers were seen while training and are too good.']
  return [table(['metric', ...header], rows), ...notes, ...beside(baselines)].join('\n')
}

/** Simple models of the same data and splits. */
function beside(baselines: NonNullable<Described['baselines']>): string[] {
  const found = Object.entries(baselines)
  if (found.length === 0) return []
  const rows = found.flatMap(([name, splits]) =>
    Object.entries(splits).map(([split, metrics]) => [
      name,
      split,
      Object.entries(metrics)
        .map(([metric, value]) => `${metric} ${score(value)}`)
        .join(', '),
    ]),
  )
  return [
    '',
    'Simple models on the same splits, which the network has to beat:',
    '',
    table(['baseline', 'split', 'scores'], rows),
  ]
}

function score(value: number | undefined): string {
  return value === undefined ? '-' : String(Number(value.toPrecision(5)))
}

function labels({ labels }: Pick<Described, 'labels'>): string {
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

function limits(own: readonly string[]): string {
  const points = [
    ...own,
    'A score is what the network computes, not a promise: unless the report says otherwise, it was not calibrated.',
    'It was not examined for unfair treatment of people.',
  ]
  return points.map((point) => `- ${point}`).join('\n')
}
