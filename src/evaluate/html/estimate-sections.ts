/** The sections of a report on estimates: numbers, a picture of estimates over targets, the worst misses, limits. */
import { compact, countOf, decimal, metricTitle, whole } from '../format.ts'
import type { Limit } from '../limits.ts'
import type { RegressionReport } from '../regression.ts'
import type { ReportInput } from '../report-input.ts'
import { html, type Markup } from './markup.ts'
import { linear, ticks } from './scale.ts'

type Input = ReportInput<RegressionReport>

export function estimateSummary({ title, provenance, report }: Input): Markup {
  const { metrics, examples, targets, outputs } = report
  const counted = outputs
    ? `the estimates for ${countOf(examples, `${provenance.split} example`)}`
    : `the ${countOf(examples, `${provenance.split} example`)}`
  const [root, r2] = [metrics.rootMeanSquaredError!, metrics.r2]
  const facts = Object.entries(metrics).filter(([name]) => name !== 'rootMeanSquaredError')
  const share =
    r2 === undefined
      ? ''
      : ` It explains ${decimal(100 * r2)} % of the variance; always answering the mean explains none.`
  return html`<header>
<p class="eyebrow">Evaluation report, ${provenance.task}, ${provenance.split} split, <time datetime="${provenance.date}">${provenance.date.slice(0, 10)}</time></p>
<h1>${title}</h1>
<p class="lede">Half of ${counted} are within ${decimal(metrics.medianAbsoluteError!)} of the target; the targets lie between ${decimal(targets.least)} and ${decimal(targets.most)}.${share}</p>
<div class="hero">
<div><dl class="headline"><dt>Root mean squared error</dt><dd class="figure">${decimal(root)}</dd><dd class="range">deviation of the targets ${decimal(targets.deviation)}</dd></dl></div>
<dl class="key-facts">${facts.map(([name, value]) => html`<div><dt>${metricTitle(name)}</dt><dd>${fact(value)}</dd></div>`)}</dl>
</div>
</header>`
}

const mostScatters = 6
const size = { width: 440, height: 440, left: 62, right: 12, top: 12, bottom: 48 }

/** Of several numbers: each by itself. */
export function outputSection({ outputs = [] }: RegressionReport): Markup {
  if (outputs.length === 0) return html``
  const names = Object.keys(outputs[0]!.metrics)
  const rows = outputs.map(
    ({
      name,
      metrics,
      targets,
    }) => html`<tr><th scope="row" title="${name}"><bdi>${name}</bdi></th>${names.map((metric) => html`<td>${metrics[metric] === undefined ? '' : decimal(metrics[metric])}</td>`)}<td>${decimal(targets.deviation)}</td></tr>
`,
  )
  return html`<section aria-labelledby="outputs"><h2 id="outputs">Each number by itself</h2>
<p class="note">In its own unit. The numbers above are means over all of them, so those in small units hardly count there.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Each number by itself"><table class="rows">
<thead><tr><th scope="col">Number</th>${names.map((metric) => html`<th scope="col">${metricTitle(metric)}</th>`)}<th scope="col">Deviation of the targets</th></tr></thead>
<tbody>${rows}</tbody></table></div></section>`
}

/** Each example as a point: what it is, and what was said. On the line they agree. Of several numbers the first ones, each by itself. */
export function scatterSections({ outputs, drawn, examples }: RegressionReport): Markup[] {
  if (!outputs) return [scatterSection({ drawn, examples, id: 'scatter', title: 'Estimates over targets' })]
  return outputs.slice(0, mostScatters).map(({ name, drawn: own }, i) => {
    return scatterSection({ drawn: own, examples, id: `scatter-${i}`, title: `Estimates over targets: ${name}` })
  })
}

/** Of what stands in a narrow place: a squared error has twice as many digits as what it is of. */
const fact = (value: number): string => (Math.abs(value) >= 1e7 ? compact(value) : decimal(value))

interface Scatter extends Pick<RegressionReport, 'drawn' | 'examples'> {
  readonly id: string
  readonly title: string
}

function scatterSection({ drawn, examples, id, title }: Scatter): Markup {
  const values = drawn.flatMap(({ target, prediction }) => [target, prediction])
  const marks = ticks(Math.min(...values), Math.max(...values))
  const { width, height, left, right, top, bottom } = size
  const x = linear(marks[0]!, marks.at(-1)!, left, width - right)
  const y = linear(marks[0]!, marks.at(-1)!, height - bottom, top)
  const note = drawn.length < examples ? `${whole(drawn.length)} of ${whole(examples)} examples, evenly chosen.` : ''
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>
<p class="note">Each point is an example; on the line the estimate is right. ${note}</p>
<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}, of ${drawn.length} examples">
${marks.map(
  (
    mark,
  ) => html`<line class="grid" x1="${left}" x2="${width - right}" y1="${y(mark)}" y2="${y(mark)}"/><text x="${left - 6}" y="${y(mark) + 4}" text-anchor="end">${compact(mark)}</text><text x="${x(mark)}" y="${height - bottom + 18}" text-anchor="middle">${compact(mark)}</text>
`,
)}<line class="ideal" x1="${x(marks[0]!)}" y1="${y(marks[0]!)}" x2="${x(marks.at(-1)!)}" y2="${y(marks.at(-1)!)}"/>
${drawn.map(({ target, prediction }) => html`<circle class="dot" cx="${x(target).toFixed(1)}" cy="${y(prediction).toFixed(1)}" r="2.5" opacity=".6"/>`)}
<text x="${(left + width - right) / 2}" y="${height - 8}" text-anchor="middle">target</text>
<text x="14" y="${(top + height - bottom) / 2}" text-anchor="middle" transform="rotate(-90 14 ${(top + height - bottom) / 2})">estimate</text>
</svg></section>`
}

export function missSection({ worstMisses }: RegressionReport): Markup {
  const rows = worstMisses.map(
    (
      m,
    ) => html`<tr><th scope="row" title="${m.id}"><bdi>${m.id}</bdi></th><td>${decimal(m.target)}</td><td>${decimal(m.prediction)}</td><td>${decimal(m.prediction - m.target)}</td></tr>
`,
  )
  return html`<section aria-labelledby="misses"><h2 id="misses">The worst misses</h2>
<p class="note">Look whether the target is right before looking for a fault of the model.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Worst misses"><table class="rows">
<thead><tr><th scope="col">Example</th><th scope="col">Target</th><th scope="col">Estimate</th><th scope="col">Difference</th></tr></thead>
<tbody>${rows}</tbody></table></div></section>`
}

/** What a reader must not conclude. */
export function estimateLimits({ report, provenance }: Input): Limit[] {
  const small: Limit[] =
    report.examples < 200
      ? [
          {
            title: 'The test set is small',
            text: `${countOf(report.examples, 'example')} give a rough error: another choice of rows would give another number.`,
          },
        ]
      : []
  const other: Limit[] =
    provenance.split === 'test'
      ? []
      : [
          {
            title: 'These are not test examples',
            text: `The numbers come from the '${provenance.split}' split. If it also chose the epoch or the settings, they are too good.`,
          },
        ]
  return [
    ...small,
    ...other,
    {
      title: 'An estimate without an interval',
      text: 'The model gives one number. How sure it is, it does not say; the errors above are an average over all rows.',
    },
    {
      title: 'Only data like this',
      text: `Targets below ${decimal(report.targets.least)} or above ${decimal(report.targets.most)}, other places and other times were not measured.`,
    },
    {
      title: 'One training run',
      text: `This is one seed (${provenance.seed ?? 'unknown'}); another gives another model.`,
    },
  ]
}
