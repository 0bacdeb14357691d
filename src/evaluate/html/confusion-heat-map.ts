/**
 * The confusion matrix as a heat map: a real table, so that numbers can be copied and read aloud cell by cell with
 * their headings. Colour is the square root of the share of the true class, so that one confusion in a hundred shows.
 */
import type { ClassificationReport } from '../classification.ts'
import { percent, whole } from '../format.ts'
import { html, type Markup } from './markup.ts'

/** More classes than this do not fit a page: the list of confused pairs stands alone. */
export const mostClasses = 50

const levels = 9

/** Heat level of a share in [0, 1]: 0 for none, else 1 to 9. */
export function heatLevel(share: number): number {
  return share <= 0 ? 0 : Math.min(levels, Math.max(1, Math.ceil(Math.sqrt(share) * levels)))
}

/** A count in at most four characters. */
function short(count: number): string {
  if (count < 10_000) return String(count)
  return count < 1e6 ? `${Math.round(count / 1000)}k` : `${Math.round(count / 1e6)}M`
}

function cell({ classes, confusion, perClass }: ClassificationReport, t: number, p: number): Markup {
  const count = confusion[t]![p]!
  const hit = t === p ? ' hit' : ''
  if (count === 0) return html`<td class="none${hit}">0</td>`
  const share = count / perClass[t]!.support
  const title = `${classes[t]} taken for ${classes[p]}: ${whole(count)} (${percent(share)})`
  return html`<td class="h${heatLevel(share)}${hit}" title="${title}">${short(count)}</td>`
}

/** The least share of each level, as a key to the colours. */
function key(): Markup {
  const steps = Array.from({ length: levels }, (_, i) => i + 1)
  const shareAt = (level: number) => `${Math.round((level / levels) ** 2 * 100)}`
  return html`<p class="key" aria-hidden="true"><span>share of the true class, up to</span> ${steps.map((level) => html`<b class="h${level}">${shareAt(level)}</b>`)} <span>%</span></p>`
}

/** The heat map with its key, or undefined when there are more than 50 classes. */
export function confusionHeatMap(report: ClassificationReport): Markup | undefined {
  const { classes } = report
  if (classes.length > mostClasses) return undefined
  const density =
    classes.length <= 4 ? 'few' : classes.length <= 12 ? 'roomy' : classes.length <= 24 ? 'close' : 'dense'
  const upright =
    density !== 'few' && classes.some((name) => name.length > (density === 'dense' ? 2 : 4)) ? ' upright' : ''
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix">
<table class="matrix ${density}${upright}" style="--n:${classes.length}">
<thead><tr><td class="corner"></td><th scope="colgroup" colspan="${classes.length}" class="axis">predicted class</th></tr>
<tr><th scope="col" class="axis corner">true class</th>${classes.map((name) => html`<th scope="col" title="${name}"><span>${name}</span></th>`)}</tr></thead>
<tbody>
${classes.map(
  (
    name,
    t,
  ) => html`<tr><th scope="row" title="${name}"><span>${name}</span></th>${classes.map((_, p) => cell(report, t, p))}</tr>
`,
)}</tbody></table></div>
${key()}`
}
