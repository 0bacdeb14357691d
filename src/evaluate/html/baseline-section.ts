/** The model beside simple ones that were trained on the same rows: whether depth pays. */
import { decimal, metricTitle } from '../format.ts'
import type { ReportInput } from '../report-input.ts'
import type { SingleReport } from '../several.ts'
import { html, type Markup } from './markup.ts'

/** What is compared, the most telling first, and whether more is better. */
const compared: Readonly<Record<SingleReport['kind'], readonly (readonly [metric: string, moreIsBetter: boolean])[]>> =
  {
    classification: [
      ['areaUnderRoc', true],
      ['crossEntropy', false],
      ['accuracy', true],
      ['f1', true],
      ['brierScore', false],
    ],
    regression: [
      ['rootMeanSquaredError', false],
      ['meanAbsoluteError', false],
      ['medianAbsoluteError', false],
      ['r2', true],
    ],
  }

/** One sentence: is the model better than the best simple one, by the first metric that both have? */
function verdict({ report, baselines = {} }: ReportInput<SingleReport>): string {
  for (const [metric, more] of compared[report.kind]) {
    const own = report.metrics[metric]
    const others = Object.entries(baselines).flatMap(([name, metrics]) =>
      metrics[metric] === undefined ? [] : [[name, metrics[metric]] as const],
    )
    if (own === undefined || others.length === 0) continue
    const [name, best] = others.reduce((a, b) => (more === b[1] > a[1] && a[1] !== b[1] ? b : a))
    const isBetter = more ? own > best : own < best
    const title = metricTitle(metric)
    return isBetter
      ? `The model is better than the best simple one (${name}): ${title} ${decimal(own)} beside ${decimal(best)}. Whether by more than chance, several folds or seeds must show.`
      : `A simple model (${name}) is as good or better: ${title} ${decimal(best)} beside ${decimal(own)}. Use the simple one, or find out what the network lacks.`
  }
  return 'No metric is common to the model and the simple ones.'
}

/** The section, or undefined when no baseline was trained. */
export function baselineSection(input: ReportInput<SingleReport>): Markup | undefined {
  const { report, baselines = {} } = input
  if (Object.keys(baselines).length === 0) return undefined
  const metrics = compared[report.kind]
    .map(([metric]) => metric)
    .filter((metric) => report.metrics[metric] !== undefined)
  const rows = Object.entries({ 'this model': report.metrics, ...baselines }).map(
    ([name, scores]) => html`<tr><th scope="row">${name}</th>${metrics.map(
      (metric) => html`<td>${scores[metric] === undefined ? '' : decimal(scores[metric])}</td>`,
    )}</tr>
`,
  )
  return html`<section aria-labelledby="baselines"><h2 id="baselines">Beside simple models</h2>
<p class="note">${verdict(input)}</p>
<div class="scroll" tabindex="0" role="region" aria-label="Simple models"><table class="rows">
<thead><tr><th scope="col">Model</th>${metrics.map((metric) => html`<th scope="col">${metricTitle(metric)}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div></section>`
}
