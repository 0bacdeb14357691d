/** A plot of lines over numbers as an SVG file that stands alone, on linear or logarithmic axes. */
import { html, type Markup } from './markup.ts'
import { dark, light, type Palette } from './palette.ts'
import { linear, spread, ticks } from './scale.ts'

export interface Axis {
  readonly title: string
  /** default 'linear'; logarithmic axes leave out what is not above 0 */
  readonly scale?: 'linear' | 'log'
  readonly format: (value: number) => string
}

export interface PlotLine {
  readonly name: string
  readonly look: 'first' | 'second' | 'faint'
  /** x ascends */
  readonly points: readonly (readonly [x: number, y: number])[]
  /** a circle at each point; default: at none */
  readonly dots?: boolean
}

export interface Plot {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly lines: readonly PlotLine[]
  /** positions on the x axis to name */
  readonly marks?: readonly { readonly x: number; readonly label: string }[]
}

const size = { width: 640, height: 380, left: 74, right: 128, top: 46, bottom: 56 }

/** Powers of ten within the range and one beyond at each end; with 2 and 5 between them where they are few. */
function decades(low: number, high: number): number[] {
  const [first, last] = [Math.floor(Math.log10(low) + 1e-9), Math.ceil(Math.log10(high) - 1e-9)]
  const between = last - first <= 2 ? [1, 2, 5] : [1]
  const powers = Array.from({ length: last - first + 1 }, (_, i) => first + i)
  const all = powers.flatMap((power) => between.map((m) => Number((m * 10 ** power).toPrecision(3))))
  const from = all.findLastIndex((tick) => tick <= low * 1.0001)
  const to = all.findIndex((tick) => tick >= high * 0.9999)
  return all.slice(Math.max(0, from), to < 0 ? undefined : Math.max(to, from + 1) + 1)
}

interface Scale {
  readonly at: (value: number) => number
  readonly ticks: readonly number[]
}

function scaleOf({ scale = 'linear' }: Axis, values: readonly number[], a: number, b: number): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const marks = scale === 'log' ? decades(low, high) : ticks(low, high)
  const bend = scale === 'log' ? Math.log10 : (value: number) => value
  const map = linear(bend(marks[0]!), bend(marks.at(-1)!), a, b)
  return { at: (value) => map(bend(value)), ticks: marks }
}

const rules = ({ page, ink, muted, line, blue, orange }: Palette): string =>
  `.page{fill:${page}}text{fill:${muted}}.title{fill:${ink}}.grid{stroke:${line}}.mark{stroke:${muted}}` +
  `.first{stroke:${blue}}.second{stroke:${orange}}.faint{stroke:${line}}text.first,circle.first{fill:${blue}}text.second,circle.second{fill:${orange}}text.faint,circle.faint{fill:${muted}}`

const style = `svg{font:13px system-ui,sans-serif}.title{font-size:16px;font-weight:640}.line{fill:none;stroke-width:2;stroke-linejoin:round}.mark{stroke-dasharray:4 4}text{stroke:none!important}${rules(light)}@media(prefers-color-scheme:dark){${rules(dark)}}`

/** The file's text, or undefined when no line has a point. */
export function plot(given: Plot): Markup | undefined {
  const visible = (axis: Axis, value: number) => Number.isFinite(value) && (axis.scale !== 'log' || value > 0)
  const lines = given.lines
    .map((line) => ({ ...line, points: line.points.filter(([x, y]) => visible(given.x, x) && visible(given.y, y)) }))
    .filter(({ points }) => points.length > 0)
  if (lines.length === 0) return undefined
  const { width, height, left, right, top, bottom } = size
  const all = lines.flatMap(({ points }) => points)
  const x = scaleOf(
    given.x,
    [...all.map((point) => point[0]), ...(given.marks ?? []).map((mark) => mark.x)],
    left,
    width - right,
  )
  const y = scaleOf(
    given.y,
    all.map((point) => point[1]),
    height - bottom,
    top,
  )
  const ends = spread(
    lines.map(({ points }) => y.at(points.at(-1)![1])),
    17,
    top,
    height - bottom,
  )
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${describe({ ...given, lines })}">
<style>${style}</style><rect class="page" width="${width}" height="${height}"/>
<text class="title" x="${left}" y="24">${given.title}</text>
${y.ticks.map(
  (
    tick,
  ) => html`<line class="grid" x1="${left}" x2="${width - right}" y1="${y.at(tick)}" y2="${y.at(tick)}"/><text x="${left - 8}" y="${y.at(tick) + 4}" text-anchor="end">${given.y.format(tick)}</text>
`,
)}${x.ticks.map(
  (tick) => html`<text x="${x.at(tick)}" y="${height - bottom + 20}" text-anchor="middle">${given.x.format(tick)}</text>
`,
)}<text x="${(left + width - right) / 2}" y="${height - 12}" text-anchor="middle">${given.x.title}</text>
<text x="16" y="${(top + height - bottom) / 2}" text-anchor="middle" transform="rotate(-90 16 ${(top + height - bottom) / 2})">${given.y.title}</text>
${(given.marks ?? []).map(
  (
    mark,
    i,
  ) => html`<line class="mark" x1="${x.at(mark.x)}" x2="${x.at(mark.x)}" y1="${top}" y2="${height - bottom}"/><text x="${x.at(mark.x) + 5}" y="${top + 12 + 16 * i}">${mark.label}</text>
`,
)}${lines.map(
  (
    { name, look, points, dots },
    i,
  ) => html`<polyline class="line ${look}" points="${points.map((p) => `${x.at(p[0])},${y.at(p[1])}`).join(' ')}"/>${dots && points.map((p) => html`<circle class="${look}" cx="${x.at(p[0])}" cy="${y.at(p[1])}" r="3.5"/>`)}
<text class="${look}" x="${width - right + 10}" y="${ends[i]! + 4}">${name}</text>
`,
)}</svg>
`
}

/** The plot in words: both ends of each line. */
function describe({ title, lines, x, y }: Plot): string {
  const words = lines.map(({ name, points }) => {
    const [first, last] = [points[0]!, points.at(-1)!]
    return `${name}: ${y.format(first[1])} at ${x.format(first[0])} to ${y.format(last[1])} at ${x.format(last[0])}`
  })
  return `${title}: ${y.title} over ${x.title}. ${words.join('; ')}.`
}
