/** How training went: loss, metrics and learning rate per epoch, what the curves say, and the numbers. */
import { compact, countOf, decimal, duration, metricTitle, percent } from '../format.ts'
import type { EpochRecord, ReportInput } from '../report-input.ts'
import { type LineChart, lineChart, type Series } from './line-chart.ts'
import { html, type Markup } from './markup.ts'

/** More epochs than this are thinned in the table. */
const mostRows = 200

type Read = (epoch: EpochRecord) => number | undefined

function seriesOf(history: readonly EpochRecord[], name: string, look: Series['look'], read: Read): Series[] {
  const points = history.map((epoch) => [epoch.epoch, read(epoch) ?? Number.NaN] as const)
  return points.some(([, value]) => Number.isFinite(value)) ? [{ name, look, points }] : []
}

/** Names of the metrics that some epoch has, in order of appearance. */
function metricNames(history: readonly EpochRecord[]): string[] {
  return [
    ...new Set(history.flatMap((e) => [...Object.keys(e.metrics ?? {}), ...Object.keys(e.validationMetrics ?? {})])),
  ]
}

/** Whether a metric is a share, to be written in per cent. */
function isShare(history: readonly EpochRecord[], name: string): boolean {
  if (/loss|entropy/i.test(name)) return false
  return history.every((e) =>
    [e.metrics?.[name], e.validationMetrics?.[name]].every((v) => v === undefined || (v >= 0 && v <= 1)),
  )
}

function charts({ history = [], bestEpoch }: ReportInput): LineChart[] {
  const mark = bestEpoch === undefined ? {} : { mark: { epoch: bestEpoch, label: `epoch ${bestEpoch} was kept` } }
  const metrics = metricNames(history).map((name): LineChart => {
    const share = isShare(history, name)
    return {
      title: metricTitle(name),
      series: [
        ...seriesOf(history, 'training', 'training', (e) => e.metrics?.[name]),
        ...seriesOf(history, 'validation', 'validation', (e) => e.validationMetrics?.[name]),
      ],
      format: (value) => (share ? percent(value) : compact(value)),
      ...(share ? { most: 1 } : {}),
      ...mark,
    }
  })
  return [
    {
      title: 'Loss',
      series: [
        ...seriesOf(history, 'training', 'training', (e) => e.loss),
        ...seriesOf(history, 'validation', 'validation', (e) => e.validationLoss),
      ],
      format: compact,
      fromZero: true,
      ...mark,
    },
    ...metrics,
    {
      title: 'Learning rate',
      series: seriesOf(history, 'rate', 'single', (e) => e.learningRate),
      format: compact,
      fromZero: true,
    },
  ]
}

/** What the curves say, in words; only what the numbers show. */
function remarks({ history = [] }: ReportInput): string {
  const seconds = history.reduce((sum, epoch) => sum + (epoch.seconds ?? 0), 0)
  const said = [`${countOf(history.length, 'epoch')}${seconds > 0 ? ` in ${duration(seconds)}` : ''}.`]
  const validated = history.filter((e) => Number.isFinite(e.validationLoss))
  if (validated.length > 1) {
    const best = validated.reduce((a, b) => (b.validationLoss! < a.validationLoss! ? b : a))
    const end = validated.at(-1)!
    const level = validated.find((e) => e.validationLoss! <= best.validationLoss! * 1.05)!
    if (end.validationLoss! > best.validationLoss! * 1.1) {
      said.push(
        `The validation loss is lowest at epoch ${best.epoch} (${decimal(best.validationLoss!)}) and higher at the end (${decimal(end.validationLoss!)}): from there on the model learns the training examples by heart.`,
      )
    } else if (level === end) said.push('The validation loss still falls at the last epoch: more epochs may help.')
    else said.push(`The validation loss has hardly changed since epoch ${level.epoch}.`)
  }
  return said.join(' ')
}

interface Column {
  readonly title: string
  readonly read: Read
  readonly format: (value: number) => string
}

function columnsOf(history: readonly EpochRecord[]): Column[] {
  const metrics = metricNames(history).flatMap((name): Column[] => {
    const title = metricTitle(name)
    const format = isShare(history, name) ? (value: number) => percent(value, 2) : decimal
    return [
      { title, read: (e) => e.metrics?.[name], format },
      { title: `Validation ${title.toLowerCase()}`, read: (e) => e.validationMetrics?.[name], format },
    ]
  })
  const columns: Column[] = [
    { title: 'Loss', read: (e) => e.loss, format: decimal },
    { title: 'Validation loss', read: (e) => e.validationLoss, format: decimal },
    ...metrics,
    { title: 'Learning rate', read: (e) => e.learningRate, format: decimal },
    { title: 'Time', read: (e) => e.seconds, format: duration },
  ]
  return columns.filter(({ read }) => history.some((epoch) => read(epoch) !== undefined))
}

function epochRow(epoch: EpochRecord, columns: readonly Column[]): Markup {
  const cells = columns.map(({ read, format }) => {
    const value = read(epoch)
    return html`<td>${value === undefined ? '' : format(value)}</td>`
  })
  return html`<tr><th scope="row">${epoch.epoch}</th>${cells}</tr>
`
}

function epochTable(history: readonly EpochRecord[]): Markup {
  const every = Math.ceil(history.length / mostRows)
  const rows = history.filter((_, i) => i % every === 0 || i === history.length - 1)
  const columns = columnsOf(history)
  const summary = every > 1 ? `Numbers of every ${every} epochs` : 'Numbers of every epoch'
  return html`<details><summary>${summary}</summary>
<div class="scroll" tabindex="0" role="region" aria-label="Numbers per epoch"><table class="rows">
<thead><tr><th scope="col">Epoch</th>${columns.map(({ title }) => html`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>${rows.map((epoch) => epochRow(epoch, columns))}</tbody></table></div></details>`
}

/** The numbers of the epoch whose weights were evaluated. */
function keptEpoch(history: readonly EpochRecord[], bestEpoch: number | undefined): Markup {
  const kept = history.find((e) => e.epoch === bestEpoch) ?? history.at(-1)!
  const facts = columnsOf(history).flatMap(({ title, read, format }) => {
    const value = read(kept)
    return value === undefined ? [] : [html`<div><dt>${title}</dt><dd>${format(value)}</dd></div>`]
  })
  return html`<div><h3>Epoch ${kept.epoch}, whose weights were evaluated</h3><dl class="facts kept">${facts}</dl></div>`
}

/** The section, or undefined when the history is not known. */
export function trainingSection(input: ReportInput): Markup | undefined {
  const { history = [], bestEpoch } = input
  if (history.length === 0) return undefined
  const drawn = charts(input).flatMap((chart) => {
    const picture = lineChart(chart)
    return picture === undefined
      ? []
      : [
          html`<figure><h3>${chart.title}</h3>${picture}</figure>
`,
        ]
  })
  return html`<section aria-labelledby="training"><h2 id="training">Training</h2>
<p class="note">${remarks(input)}</p>
<div class="two">${drawn}${keptEpoch(history, bestEpoch)}</div>
${epochTable(history)}</section>`
}
