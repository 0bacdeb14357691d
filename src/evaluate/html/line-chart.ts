/** A line chart of numbers per epoch as SVG, with direct labels instead of a legend. */
import { html, type Markup } from './markup.ts'
import { linear, spread, ticks, wholeTicks } from './scale.ts'

export interface Series {
  readonly name: string
  /** class of the line: its colour and dash */
  readonly look: 'training' | 'validation' | 'single'
  /** epoch and value; epochs ascend */
  readonly points: readonly (readonly [epoch: number, value: number])[]
}

export interface LineChart {
  readonly title: string
  readonly series: readonly Series[]
  /** text of a value on the axis and in labels */
  readonly format: (value: number) => string
  /** the axis starts at 0 (a loss, a rate) */
  readonly fromZero?: boolean
  /** no tick above it (1 for a share) */
  readonly most?: number
  /** an epoch to mark */
  readonly mark?: { readonly epoch: number; readonly label: string }
}

const size = { width: 440, height: 250, left: 48, right: 84, top: 22, bottom: 36 }

/** Runs of finite values: a line breaks where a value is missing. */
function runs(points: Series['points']): Series['points'][] {
  const found: (readonly [number, number])[][] = [[]]
  for (const point of points) {
    if (Number.isFinite(point[1])) found.at(-1)!.push(point)
    else if (found.at(-1)!.length > 0) found.push([])
  }
  return found.filter((run) => run.length > 0)
}

/** `0.500` -> `0.5`, `90.0 %` -> `90 %`: ticks are round numbers. */
const withoutZeros = (text: string) => text.replace(/(\.\d*?)0+(?=$|\s|e)/, '$1').replace(/\.(?=$|\s|e)/, '')

/** The chart in words: the first and the last value of each line. */
function describe({ title, series, format }: LineChart): string {
  const lines = series.map(({ name, points }) => {
    const [first, last] = [points[0]!, points.at(-1)!]
    return first === last
      ? `${name}: ${format(first[1])} at epoch ${first[0]}`
      : `${name}: ${format(first[1])} at epoch ${first[0]} to ${format(last[1])} at epoch ${last[0]}`
  })
  return `${title} per epoch. ${lines.join('; ')}.`
}

/** The chart, or undefined when there is no number to draw. */
export function lineChart(chart: LineChart): Markup | undefined {
  const series = chart.series
    .map((s) => ({ ...s, points: s.points.filter(([, value]) => Number.isFinite(value)), parts: runs(s.points) }))
    .filter((s) => s.points.length > 0)
  if (series.length === 0) return undefined
  const epochs = series.flatMap((s) => s.points.map(([epoch]) => epoch))
  const values = series.flatMap((s) => s.points.map(([, value]) => value))
  const low = chart.fromZero ? Math.min(0, ...values) : Math.min(...values)
  const yTicks = ticks(low, Math.max(...values)).filter((tick) => tick <= (chart.most ?? Infinity))
  const [first, last] = [Math.min(...epochs), Math.max(...epochs)]
  const { width, height, left, right, top, bottom } = size
  const x = linear(first, last, left + 6, width - right)
  const y = linear(yTicks[0]!, Math.max(yTicks.at(-1)!, ...values), height - bottom, top)
  const labelAt = spread(
    series.map((s) => y(s.points.at(-1)![1])),
    30,
    top + 4,
    height - bottom - 14,
  )
  const { mark } = chart
  return html`<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${describe({ ...chart, series })}">
${yTicks.map(
  (
    tick,
  ) => html`<line class="grid" x1="${left}" x2="${width - right}" y1="${y(tick)}" y2="${y(tick)}"/><text class="tick" x="${left - 8}" y="${y(tick) + 4}" text-anchor="end">${withoutZeros(chart.format(tick))}</text>
`,
)}${wholeTicks(first, last, 6).map(
  (tick) => html`<text class="tick" x="${x(tick)}" y="${height - bottom + 18}" text-anchor="middle">${tick}</text>
`,
)}<text class="tick" x="${width - right + 18}" y="${height - bottom + 18}">epoch</text>
${
  mark !== undefined &&
  mark.epoch >= first &&
  mark.epoch <= last &&
  html`<line class="mark" x1="${x(mark.epoch)}" x2="${x(mark.epoch)}" y1="${top - 6}" y2="${height - bottom}"/><text class="tick" x="${x(mark.epoch)}" y="${top - 10}" text-anchor="${last > first && mark.epoch > (first + last) / 2 ? 'end' : 'start'}">${mark.label}</text>
`
}${series.map((s, i) => {
  const [epoch, value] = s.points.at(-1)!
  return html`${s.parts.map(
    (part) => html`<polyline class="series ${s.look}" points="${part.map((p) => `${x(p[0])},${y(p[1])}`).join(' ')}"/>
`,
  )}<circle class="end ${s.look}" cx="${x(epoch)}" cy="${y(value)}" r="3.5"/>
<text class="label ${s.look}" x="${width - right + 10}" y="${labelAt[i]! + 1}">${s.name}<tspan class="value" x="${width - right + 10}" dy="13">${chart.format(value)}</tspan></text>
`
})}</svg>`
}
