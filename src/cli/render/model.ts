/** A model file as a terminal shows it: ports, layers as a table, what cannot be trained, where a head could stand. */
import type { InspectedModel } from '../../actions/inspect-model.ts'
import type { Terminal } from '../terminal.ts'
import { formatCount } from './numbers.ts'
import { type Column, table } from './table.ts'
import { harmless } from './text-width.ts'

/** Layers that are shown at each end of a long list. */
const shown = 12
const shownHeads = 6

export function modelLines(model: InspectedModel, terminal: Terminal): string[] {
  const { bold, dim, yellow } = terminal.colors
  const { layers, heads, operators, withoutGradient, labels, tokenizer } = model
  const kinds = Object.entries(operators).map(([op, count]) => `${op} ${count}`)
  const lines = [
    bold(harmless(model.name)),
    ...model.inputs.map(({ name, type }) => `input   ${harmless(name)}: ${type}`),
    ...model.outputs.map(({ name, type }) => `output  ${harmless(name)}: ${type}`),
    ...(labels
      ? [`labels  ${harmless(labels.slice(0, 10).join(', '))}${labels.length > 10 ? `, ... (${labels.length})` : ''}`]
      : []),
    ...(tokenizer
      ? [`tokens  tokenizer.json: ${harmless(tokenizer.kind)} of ${formatCount(tokenizer.vocabulary)}`]
      : []),
    `${formatCount(model.parameters)} parameters in ${layers.length} layers; operators: ${kinds.join(', ')}`,
    '',
    ...(layers.length > 0 ? layerLines(model, terminal) : [yellow(withoutLayers(model))]),
  ]
  for (const warning of warnings(model)) lines.push('', yellow(warning))
  if (model.quantized) {
    lines.push(
      '',
      yellow('quantised: it computes with integers, which have no gradient; a head behind it can be trained'),
    )
  }
  if (withoutGradient.length > 0) {
    lines.push('', bold('operators without a gradient'))
    for (const { op, node, why } of withoutGradient) lines.push(`  ${op} at '${harmless(node)}': ${why}`)
  }
  if (heads.length > 0) {
    lines.push('', bold('a new head could stand behind'))
    // Several layers may read one value: it is one place, behind as many layers as the last of them.
    const places = heads.filter(({ value }, i) => heads.findIndex((head) => head.value === value) === i)
    for (const { value, shape, layers: before } of places.slice(0, shownHeads)) {
      lines.push(`  ${harmless(value)} ${dim(`${shape}, after ${before} of ${layers.length} layers`)}`)
    }
    if (places.length > shownHeads)
      lines.push(dim(`  ... and ${places.length - shownHeads} earlier places: --json lists all`))
  }
  lines.push('', `next: ${next(model)}`)
  return lines
}

/** What no task could start from is not proposed. */
function next({ name, inputs, tokenizer }: InspectedModel): string {
  if (tokenizer) return 'fine-tune it from code: fineTune(folder, { x: texts, y }) of quern/nn'
  const type = inputs.length === 1 ? inputs[0]!.type : ''
  // One picture an example: four axes, of numbers that pixels can be made into.
  const isPicture = /^(uint8|float\d+)( \[[^,]+(, [^,]+){3}\])?$/.test(type)
  return isPicture ? `quern train --from ${harmless(name)}` : 'fine-tune it from code: fineTune() of quern/nn'
}

function warnings(model: InspectedModel): string[] {
  const { damaged, innerParameters, layers } = model
  const { dropout, normalization } = model.trainingMode
  return [
    ...(layers.length > 0 && innerParameters > 0
      ? [`${formatCount(innerParameters)} parameters inside of ${innerOperators(model).join(' and ')} stay as they are`]
      : []),
    ...(damaged === undefined ? [] : [harmless(damaged)]),
    ...(dropout > 0
      ? [
          `exported in training mode: ${dropout} Dropout ${dropout === 1 ? 'node answers' : 'nodes answer'} by chance; here they drop while training alone`,
        ]
      : []),
    ...(normalization > 0
      ? [
          `exported in training mode: ${normalization} BatchNormalization ${normalization === 1 ? 'node answers' : 'nodes answer'} by the statistics of the batch, here too: export it again in evaluation mode (model.eval())`,
        ]
      : []),
  ]
}

const innerOperators = ({ operators }: InspectedModel) =>
  ['If', 'Loop', 'Scan'].filter((op) => operators[op] !== undefined)

function withoutLayers(model: InspectedModel): string {
  const inner = innerOperators(model)
  if (model.quantized || inner.length === 0) return 'no weights that can be trained'
  return `no weights that can be trained: they lie inside of ${inner.join(' and ')}`
}

type Layer = InspectedModel['layers'][number]

const columns: readonly Column<Layer>[] = [
  { title: 'layer', value: ({ name }) => name },
  { title: 'operator', value: ({ op }) => op },
  { title: 'parameters', value: ({ parameters }) => formatCount(parameters), align: 'right' },
  {
    title: 'weights',
    value: ({ weights, blockedBy }) =>
      weights.map(({ name, shape }) => `${name} [${shape.join(', ')}]`).join('  ') +
      (blockedBy === undefined ? '' : `  (not trainable: ${blockedBy})`),
  },
]

function layerLines({ layers }: InspectedModel, { colors }: Terminal): string[] {
  const isLong = layers.length > 2 * shown + 1
  const rows = table(columns, isLong ? [...layers.slice(0, shown), ...layers.slice(-shown)] : layers, {
    title: colors.bold,
  })
  if (!isLong) return rows
  const more = colors.dim(`... ${layers.length - 2 * shown} more: --json lists all`)
  return [...rows.slice(0, shown + 1), more, ...rows.slice(shown + 1)]
}
