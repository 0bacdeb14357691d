/** The head of the report: what was measured, the answer in one sentence, and the headline numbers. */
import type { ClassificationReport } from '../classification.ts'
import { countOf, decimal, digitsFor, metricTitle, percent, percentRange, whole } from '../format.ts'
import type { ReportInput } from '../report-input.ts'
import { html, type Markup } from './markup.ts'
import { linear } from './scale.ts'

/** The answer in words: how often right, where weakest, what is mixed up. */
function lede({ examples, correct, perClass, confusedPairs }: ClassificationReport, split: string): string {
  const first = `The model gave the right answer for ${whole(correct)} of ${countOf(examples, `${split} example`)}.`
  const measured = perClass.filter((row) => row.support > 0)
  const weakest = measured.reduce((a, b) => (b.recall < a.recall ? b : a))
  if (weakest.recall === 1) return `${first} No class was missed.`
  const second = `Its weakest class is “${weakest.label}”, of which it finds ${percent(weakest.recall, digitsFor(weakest.support))}`
  const pair = confusedPairs[0]
  const third =
    pair === undefined
      ? ''
      : `; its most frequent confusion is “${pair.label}” taken for “${pair.predicted}” (${countOf(pair.count, 'time')})`
  return `${first} ${second}${third}.`
}

/** Accuracy on a line from 0 to 100 %, its interval, and what always answering the largest class would reach. */
function gauge({ metrics, accuracyInterval, perClass, examples }: ClassificationReport): Markup {
  const x = linear(0, 1, 0, 440)
  const { low, high } = accuracyInterval
  const baseline = Math.max(...perClass.map((row) => row.support)) / examples
  const end = baseline > 0.6
  return html`<svg class="chart gauge" viewBox="0 0 440 34" aria-hidden="true"><rect class="track" y="6" width="440" height="6" rx="3"/><rect class="fill" y="6" width="${x(metrics.accuracy!)}" height="6" rx="3"/><rect class="whisker" x="${x(low)}" y="3" width="${Math.max(2, x(high) - x(low))}" height="12" rx="1" opacity=".35"/><rect class="whisker" x="${x(baseline)}" width="1.5" height="18"/><text x="${x(baseline) + (end ? -6 : 0)}" y="31" text-anchor="${end ? 'end' : 'start'}">always the largest class: ${percent(baseline)}</text></svg>`
}

/** `98.74` and ` %` apart, so that the unit can be small. */
function split(text: string): Markup {
  return text.endsWith('\u00a0%') ? html`${text.slice(0, -2)}<small>%</small>` : html`${text}`
}

/** Of two classes: how many of the second are found when so many of the first are left alone. */
function sensitivities({ metrics, classes }: ClassificationReport): [string, string][] {
  const at = [90, 95].filter((share) => metrics[`sensitivityAt${share}Specificity`] !== undefined)
  return at.map((share) => [
    `'${classes[1]}' found, ${share}\u00a0% of '${classes[0]}' left alone`,
    percent(metrics[`sensitivityAt${share}Specificity`]!, 1),
  ])
}

export function summarySection({ title, provenance, report }: ReportInput<ClassificationReport>): Markup {
  const { metrics, accuracyInterval, examples, correct } = report
  const digits = digitsFor(examples)
  const topK = Object.keys(metrics).find((name) => /^top\d+Accuracy$/.test(name))
  const facts: [string, string][] = [
    ['Wrong answers', whole(examples - correct)],
    ['Macro F1', percent(metrics.f1!, digits)],
    ...(topK === undefined ? [] : [[metricTitle(topK), percent(metrics[topK]!, digits)] as [string, string]]),
    ['Cross-entropy', decimal(metrics.crossEntropy!)],
    ['Calibration error', percent(metrics.calibrationError!, Math.max(1, digits))],
    ['Brier score', decimal(metrics.brierScore!)],
    ...sensitivities(report),
  ]
  return html`<header>
<p class="eyebrow">Evaluation report, ${provenance.task}, ${provenance.split} split, <time datetime="${provenance.date}">${provenance.date.slice(0, 10)}</time></p>
<h1>${title}</h1>
<p class="lede">${lede(report, provenance.split)}</p>
<div class="hero">
<div><dl class="headline"><dt>Accuracy</dt><dd class="figure">${split(percent(metrics.accuracy!, digits))}</dd><dd class="range">95 % interval ${percentRange(accuracyInterval, digits)}</dd></dl>${gauge(report)}</div>
<dl class="key-facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</div>
</header>`
}

/** Where the numbers come from, as names and values. */
export function provenanceSection({ provenance, report }: ReportInput): Markup {
  const { versions, more = {} } = provenance
  const facts: [string, string | undefined][] = [
    ['Model', provenance.model],
    ['Trainable parameters', provenance.parameters === undefined ? undefined : whole(provenance.parameters)],
    ['Data', provenance.data],
    ['Evaluated on', `${provenance.split} split, ${countOf(report.examples, 'example')}`],
    [
      'Trained on',
      provenance.trainingExamples === undefined ? undefined : countOf(provenance.trainingExamples, 'example'),
    ],
    ['Seed', provenance.seed === undefined ? undefined : String(provenance.seed)],
    ['Run', provenance.run],
    ['Date', provenance.date],
    ...Object.entries(more),
    [
      'Versions',
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
  ]
  const known = facts.filter((fact): fact is [string, string] => fact[1] !== undefined && fact[1] !== '')
  return html`<section aria-labelledby="provenance"><h2 id="provenance">Where the numbers come from</h2>
<dl class="facts">${known.map(
    ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>
`,
  )}</dl></section>`
}
