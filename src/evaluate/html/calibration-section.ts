/** Whether the confidence can be believed: the reliability diagram, what it says, and its numbers. */
import type { ClassificationReport } from '../classification.ts'
import { percent, whole } from '../format.ts'
import { html, type Markup } from './markup.ts'
import { fewExamples, reliabilityDiagram } from './reliability-diagram.ts'

/** Answers below which the mean gap of 15 bins is mostly chance, also for a calibrated model. */
const enough = 500

/** The diagram in words. */
function verdict({ calibration, examples, metrics }: ClassificationReport): string {
  const sum = (read: (bin: (typeof calibration)[number]) => number) =>
    calibration.reduce((total, bin) => total + (bin.count / examples) * read(bin), 0)
  const [confidence, accuracy] = [sum((bin) => bin.confidence), sum((bin) => bin.accuracy)]
  const gap = confidence - accuracy
  const error = metrics.calibrationError!
  const says = `On average the model is ${percent(confidence)} sure and ${percent(accuracy)} right.`
  if (examples < enough) {
    return `${says} With ${whole(examples)} answers, gaps like those below can be chance: measure on at least ${enough}.`
  }
  if (error < 0.02) return `${says} Its confidence can be read as a chance of being right.`
  if (Math.abs(gap) < 0.01)
    return `${says} It is too sure in some ranges and not sure enough in others: see the diagram.`
  return gap > 0
    ? `${says} It is too sure of itself: do not take its confidence as a chance of being right.`
    : `${says} It is more often right than it claims.`
}

export function calibrationSection(report: ClassificationReport): Markup {
  const { calibration, metrics } = report
  return html`<section aria-labelledby="calibration"><h2 id="calibration">Can the confidence be believed?</h2>
<p class="note">${verdict(report)}</p>
<div class="two"><figure>${reliabilityDiagram(calibration, metrics.calibrationError!)}</figure>
<div><h3>How to read it</h3>
<p class="note">Answers are grouped by their confidence. A dot on the dashed line: of the answers given with 80 % confidence, 80 % are right. Below the line the model is too sure, above it not sure enough; the orange line is the gap. Larger dots hold more answers. Hollow dots hold fewer than ${fewExamples}, so their height is mostly chance.</p>
<p class="note">Expected calibration error ${percent(metrics.calibrationError!, 2)}: the mean gap, each answer counted once.</p>
<details><summary>Numbers of the diagram</summary><div class="scroll" tabindex="0" role="region" aria-label="Numbers of the reliability diagram"><table class="rows">
<thead><tr><th scope="col">Confidence</th><th scope="col">Answers</th><th scope="col">Mean confidence</th><th scope="col">Right</th></tr></thead>
<tbody>${calibration.map(
    (
      bin,
    ) => html`<tr><th scope="row">${percent(bin.from, 0)} to ${percent(bin.to, 0)}</th><td>${whole(bin.count)}</td><td>${percent(bin.confidence)}</td><td>${percent(bin.accuracy)}</td></tr>
`,
  )}</tbody></table></div></details></div></div></section>`
}
