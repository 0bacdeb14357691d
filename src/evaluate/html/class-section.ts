/** Tables of parts: every class, the confusions between them, and the groups that the caller asked for. */
import type { ClassificationReport, ClassRow } from '../classification.ts'
import { decimal, percent, percentRange, whole } from '../format.ts'
import { confusionHeatMap, mostClasses } from './confusion-heat-map.ts'
import { html, type Markup } from './markup.ts'

/** Rows that stand open; the rest of a long table folds. */
const openRows = 25

function classTable(rows: readonly ClassRow[], label: string): Markup {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="rows">
<thead><tr><th scope="col">Class</th><th scope="col">Examples</th><th scope="col">Precision</th><th scope="col">Recall</th><th scope="col" class="narrow-off">95 % interval</th><th scope="col">F1</th></tr></thead>
<tbody>${rows.map(
    (
      row,
    ) => html`<tr><th scope="row" title="${row.label}">${row.label}</th><td>${whole(row.support)}</td><td>${row.predicted === 0 ? 'never given' : percent(row.precision)}</td><td>${row.support === 0 ? 'no examples' : percent(row.recall)}</td><td class="range narrow-off">${row.support === 0 ? '' : percentRange(row.recallInterval)}</td><td>${percent(row.f1)}<span class="meter" aria-hidden="true"><i style="width:${(row.f1 * 100).toFixed(1)}%"></i></span></td></tr>
`,
  )}</tbody></table></div>`
}

/** Precision, recall and F1 of each class, weakest first. */
export function classSection({ perClass }: ClassificationReport): Markup {
  const rows = [...perClass].sort((a, b) => a.f1 - b.f1)
  const rest = rows.slice(openRows)
  return html`<section aria-labelledby="classes"><h2 id="classes">Classes, weakest first</h2>
<p class="note">Precision: of the answers with this class, how many are right. Recall: of the examples of this class, how many were found. F1 is their harmonic mean.</p>
${classTable(rows.slice(0, openRows), 'Scores per class')}
${rest.length > 0 ? html`<details><summary>${whole(rest.length)} more classes</summary>${classTable(rest, 'Scores of the other classes')}</details>` : ''}</section>`
}

function pairTable({ confusedPairs }: ClassificationReport, limit: number): Markup {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Most frequent confusions"><table class="rows">
<thead><tr><th scope="col">True class</th><th scope="col" class="text">Taken for</th><th scope="col">Times</th><th scope="col">Share</th></tr></thead>
<tbody>${confusedPairs.slice(0, limit).map(
    (
      pair,
    ) => html`<tr><th scope="row" title="${pair.label}">${pair.label}</th><td class="text">${pair.predicted}</td><td>${whole(pair.count)}</td><td>${percent(pair.share)}</td></tr>
`,
  )}</tbody></table></div>`
}

/** The confusion matrix and the most frequent confusions. */
export function confusionSection(report: ClassificationReport): Markup {
  const map = confusionHeatMap(report)
  const note =
    map === undefined
      ? `A matrix of ${report.classes.length} classes does not fit a page (the limit is ${mostClasses}); metrics.json holds all of it. These are the most frequent confusions.`
      : 'Each row is a true class, each column an answer. A perfect model has numbers on the diagonal only.'
  const pairs =
    report.confusedPairs.length === 0
      ? html`<p>No class was taken for another.</p>`
      : html`<h3>Most frequent confusions</h3>${pairTable(report, map === undefined ? 20 : 10)}`
  const side = report.classes.length <= 10 && map !== undefined
  return html`<section aria-labelledby="confusion"><h2 id="confusion">What is taken for what</h2><p class="note">${note}</p>
${side ? html`<div class="beside"><div>${map}</div><div>${pairs}</div></div>` : html`${map}<div class="below">${pairs}</div>`}</section>`
}

/** Scores of every group, or undefined when no grouping was given. */
export function sliceSection({ slices }: ClassificationReport): Markup | undefined {
  if (slices.length === 0) return undefined
  const groupings = [...new Set(slices.map((slice) => slice.by))]
  return html`<section aria-labelledby="slices"><h2 id="slices">Groups</h2>
<p class="note">The same model on parts of the test set, least accurate first. Groups whose intervals overlap may be equally good.</p>
${groupings.map(
  (by) => html`<div class="scroll" tabindex="0" role="region" aria-label="Scores by ${by}"><table class="rows">
<thead><tr><th scope="col">${by}</th><th scope="col">Examples</th><th scope="col">Accuracy</th><th scope="col">95 % interval</th><th scope="col">Cross-entropy</th></tr></thead>
<tbody>${slices
    .filter((slice) => slice.by === by)
    .map(
      (
        s,
      ) => html`<tr><th scope="row" title="${s.group}">${s.group}</th><td>${whole(s.examples)}</td><td>${percent(s.accuracy)}</td><td class="range">${percentRange(s.accuracyInterval)}</td><td>${decimal(s.crossEntropy)}</td></tr>
`,
    )}</tbody></table></div>`,
)}</section>`
}
