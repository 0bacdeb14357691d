/** Reliability diagram as SVG: share of right answers against confidence, and below it how many answers each bin holds. */
import type { ReliabilityBin } from '../classification.ts'
import { percent, whole } from '../format.ts'
import { html, type Markup } from './markup.ts'
import { linear } from './scale.ts'

/** Bins with fewer examples are drawn hollow: their height is mostly chance. */
export const fewExamples = 20

const size = { width: 440, height: 404, left: 48, right: 16, top: 12, plot: 300, bars: 44 }

function point(bin: ReliabilityBin, x: (v: number) => number, y: (v: number) => number, largest: number): Markup {
  const radius = 4 + 6 * Math.sqrt(bin.count / largest)
  const [cx, cy] = [x(bin.confidence), y(bin.accuracy)]
  const title = `confidence ${percent(bin.confidence)}, right ${percent(bin.accuracy)}, ${whole(bin.count)} answers`
  return html`<line class="gap" x1="${cx}" x2="${cx}" y1="${y(bin.confidence)}" y2="${cy}"/><circle class="${bin.count < fewExamples ? 'bin few' : 'bin'}" cx="${cx}" cy="${cy}" r="${radius.toFixed(1)}"><title>${title}</title></circle>
`
}

/** The diagram; `error` is the expected calibration error, for the text alternative. */
export function reliabilityDiagram(bins: readonly ReliabilityBin[], error: number): Markup {
  const { width, height, left, right, top, plot, bars } = size
  const x = linear(0, 1, left, width - right)
  const y = linear(0, 1, top + plot, top)
  const largest = Math.max(...bins.map((bin) => bin.count))
  const tall = linear(0, largest, 0, bars)
  const base = height - 38
  const slope = -Math.round((Math.atan2(plot, width - left - right) * 180) / Math.PI)
  const marks = [0, 0.2, 0.4, 0.6, 0.8, 1]
  const words = `Reliability diagram. On average the confidence is off by ${percent(error)}. Table below.`
  return html`<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${words}">
${marks.map(
  (
    m,
  ) => html`<line class="grid" x1="${left}" x2="${width - right}" y1="${y(m)}" y2="${y(m)}"/><text class="tick" x="${left - 8}" y="${y(m) + 4}" text-anchor="end">${m * 100} %</text><text class="tick" x="${x(m)}" y="${base + 16}" text-anchor="middle">${m * 100} %</text>
`,
)}<line class="ideal" x1="${x(0)}" y1="${y(0)}" x2="${x(1)}" y2="${y(1)}"/>
<text class="tick" x="${left + 8}" y="${top + 16}">right answers</text>
<text class="tick" x="${x(0.07)}" y="${y(0.07) + 15}" transform="rotate(${slope} ${x(0.07)} ${y(0.07) + 15})">perfectly calibrated</text>
${bins.map(
  (
    bin,
  ) => html`<rect class="bar" x="${x(bin.from) + 1}" width="${Math.max(1, x(bin.to) - x(bin.from) - 2)}" y="${base - Math.max(1, tall(bin.count))}" height="${Math.max(1, tall(bin.count))}"><title>${whole(bin.count)} answers</title></rect>
`,
)}<line class="grid" x1="${left}" x2="${width - right}" y1="${base}" y2="${base}"/>
<text class="tick" x="${x(0.5)}" y="${base + 34}" text-anchor="middle">confidence (bars: number of answers)</text>
${bins.map((bin) => point(bin, x, y, largest))}</svg>`
}
