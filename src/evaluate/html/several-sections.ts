/** The sections of a report on several targets: all of them in a table, then each as a report of its own. */
import { countOf, decimal, metricTitle, percent } from '../format.ts'
import type { ReportInput } from '../report-input.ts'
import { eachTarget, type SeveralReport, type SingleReport } from '../several.ts'
import { html, Markup } from './markup.ts'

type Input = ReportInput<SeveralReport>

/** What tells most of a target, in a word and a number. */
function headline({ kind, metrics }: SingleReport): readonly [string, string] {
  if (kind === 'classification') return ['accuracy', percent(metrics.accuracy!)]
  const [name, value] = Object.entries(metrics).find(([key]) => key === 'r2') ?? Object.entries(metrics)[0]!
  return [name, decimal(value)]
}

const describe = ({ kind, ...report }: SingleReport): string =>
  kind === 'classification'
    ? countOf((report as { classes: readonly string[] }).classes.length, 'class', 'classes')
    : 'a number'

/** The table of targets at the top of the page. */
export function severalSummary({ title, provenance, report }: Input): Markup {
  const rows = report.targets.map(({ name, report: own }, i) => {
    const [metric, value] = headline(own)
    return html`<tr><th scope="row"><a href="#target-${i}"><bdi>${name}</bdi></a></th><td class="text">${describe(own)}</td><td class="text">${metricTitle(metric)}</td><td>${value}</td></tr>
`
  })
  return html`<header>
<p class="eyebrow">Evaluation report, ${provenance.task}, ${provenance.split} split, <time datetime="${provenance.date}">${provenance.date.slice(0, 10)}</time></p>
<h1>${title}</h1>
<p class="lede">One model answers ${countOf(report.targets.length, 'target')} for each of ${countOf(report.examples, `${provenance.split} example`)}. Each is judged by itself: there is no one number for all of them.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Targets"><table class="rows">
<thead><tr><th scope="col">Target</th><th scope="col" class="text">Is</th><th scope="col" class="text">Metric</th><th scope="col">Value</th></tr></thead>
<tbody>${rows}</tbody></table></div>
</header>`
}

/** The reports of the targets. `sectionsOf` writes one; what it names is made different for each. */
export function targetSections(
  { report, baselines, ...input }: Input,
  sectionsOf: (input: ReportInput<SingleReport>) => Markup,
): Markup[] {
  return eachTarget(report, baselines).map(
    ({ name, report: own, baselines: beside }, i) =>
      html`<article id="target-${i}">
${apart(sectionsOf({ ...input, title: `Target: ${name}`, report: own, baselines: beside }), `target-${i}`)}
</article>
`,
  )
}

/** What stands above all of them is not said again above each. Ids of one page must differ. Text of the data holds no bare quote, so what is replaced here are attributes alone. */
function apart({ text }: Markup, prefix: string): Markup {
  const own = text.replace(/<p class="eyebrow">.*?<\/p>\n?/g, '')
  return new Markup(own.replace(/ (id|aria-labelledby)="/g, ` $1="${prefix}-`).replace(/<(\/?)h1>/g, '<$1h2>'))
}
