/**
 * The report as ONE file of HTML that needs nothing else: no script, no font, no request (its own content security
 * policy forbids them). All text from the data is escaped by the template tag (html/markup.ts).
 */
import type { ClassificationReport } from './classification.ts'
import { baselineSection } from './html/baseline-section.ts'
import { calibrationSection } from './html/calibration-section.ts'
import { classSection, confusionSection, sliceSection } from './html/class-section.ts'
import { cleaningSection } from './html/cleaning-section.ts'
import {
  estimateLimits,
  estimateSummary,
  missSection,
  outputSection,
  scatterSections,
} from './html/estimate-sections.ts'
import { type Content, html, Markup } from './html/markup.ts'
import { mistakeSection } from './html/mistake-section.ts'
import { severalSummary, targetSections } from './html/several-sections.ts'
import { style } from './html/style.ts'
import { provenanceSection, summarySection } from './html/summary-section.ts'
import { trainingSection } from './html/training-section.ts'
import { type Limit, limitsOf } from './limits.ts'
import type { RegressionReport } from './regression.ts'
import type { Report, ReportInput } from './report-input.ts'
import type { SeveralReport, SingleReport } from './several.ts'

/** What a page may load: nothing but its own styles and pictures within it. */
export const pagePolicy =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

function limitSection(limits: readonly Limit[]): Markup {
  return html`<section aria-labelledby="limits"><h2 id="limits">What this report cannot show</h2>
<dl class="limits">${limits.map(
    ({ title, text }) => html`<div><dt>${title}</dt><dd>${text}</dd></div>
`,
  )}</dl></section>`
}

function isOf<K extends Report['kind']>(
  kind: K,
  input: ReportInput,
): input is ReportInput<Extract<Report, { kind: K }>> {
  return input.report.kind === kind
}

function sections(input: ReportInput): Content {
  const ofAll = [trainingSection(input), cleaningSection(input.cleaned)]
  if (!isOf('several', input)) return singleSections(input as ReportInput<SingleReport>, ofAll)
  return [
    severalSummary(input as ReportInput<SeveralReport>),
    ...targetSections(input as ReportInput<SeveralReport>, (own) => html`${singleSections(own)}`),
    ...ofAll,
  ]
}

/** @param ofAll what is told of training and data, before the limits; of several targets it stands behind all of them */
function singleSections(input: ReportInput<SingleReport>, ofAll: Content = []): Content {
  return isOf('classification', input)
    ? classificationSections(input, ofAll)
    : estimateSections(input as ReportInput<RegressionReport>, ofAll)
}

function classificationSections(input: ReportInput<ClassificationReport>, ofAll: Content): Content {
  const { report } = input
  return [
    summarySection(input),
    baselineSection(input),
    mistakeSection(input),
    confusionSection(report),
    classSection(report),
    sliceSection(report),
    calibrationSection(report),
    ofAll,
    limitSection(limitsOf(input)),
  ]
}

function estimateSections(input: ReportInput<RegressionReport>, ofAll: Content): Content {
  return [
    estimateSummary(input),
    baselineSection(input),
    outputSection(input.report),
    ...scatterSections(input.report),
    missSection(input.report),
    ofAll,
    limitSection(estimateLimits(input)),
  ]
}

/**
 * Renders a report.
 *
 * @example
 * const page = renderReport({ title: 'Digits', provenance, report: reportClassification(answers), history })
 */
export function renderReport(input: ReportInput): string {
  const { title } = input
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${pagePolicy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<main>
${sections(input)}
${provenanceSection(input)}
</main>
</body>
</html>
`.text
}
