/**
 * The report as ONE file of HTML that needs nothing else: no script, no font, no request (its own content security
 * policy forbids them). All text from the data is escaped by the template tag (html/markup.ts).
 */
import { calibrationSection } from './html/calibration-section.ts'
import { classSection, confusionSection, sliceSection } from './html/class-section.ts'
import { html, Markup } from './html/markup.ts'
import { mistakeSection } from './html/mistake-section.ts'
import { style } from './html/style.ts'
import { provenanceSection, summarySection } from './html/summary-section.ts'
import { trainingSection } from './html/training-section.ts'
import { limitsOf } from './limits.ts'
import type { ReportInput } from './report-input.ts'

const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

function limitSection(input: ReportInput): Markup {
  return html`<section aria-labelledby="limits"><h2 id="limits">What this report cannot show</h2>
<dl class="limits">${limitsOf(input).map(
    ({ title, text }) => html`<div><dt>${title}</dt><dd>${text}</dd></div>
`,
  )}</dl></section>`
}

/**
 * Renders a report.
 *
 * @example
 * const page = renderReport({ title: 'Digits', provenance, report: reportClassification(answers), history })
 */
export function renderReport(input: ReportInput): string {
  const { report, title } = input
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<main>
${summarySection(input)}
${mistakeSection(input)}
${confusionSection(report)}
${classSection(report)}
${sliceSection(report)}
${calibrationSection(report)}
${trainingSection(input)}
${limitSection(input)}
${provenanceSection(input)}
</main>
</body>
</html>
`.text
}
