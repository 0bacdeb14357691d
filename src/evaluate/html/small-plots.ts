/** Plots of the size of a line of text, as SVG within the page: a histogram, and bars that lie. */
import { html, type Markup } from './markup.ts'

const [width, height] = [132, 30]

/** Counts of bins of equal width, from left to right. A bin that holds something is never invisible. */
export function smallHistogram(counts: readonly number[], label: string): Markup {
  const most = Math.max(1, ...counts)
  const step = width / counts.length
  const bars = counts.map((count, i) => {
    const tall = count === 0 ? 0 : Math.max(1.5, (count / most) * height)
    return html`<rect class="fill" x="${(i * step).toFixed(1)}" y="${(height - tall).toFixed(1)}" width="${Math.max(0.5, step - 1).toFixed(1)}" height="${tall.toFixed(1)}"/>`
  })
  return html`<svg class="small" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}"><line class="base" x1="0" x2="${width}" y1="${height}" y2="${height}"/>${bars}</svg>`
}

/** A share from 0 to 1 as a bar that lies. */
export function smallBar(share: number, label: string): Markup {
  const long = share === 0 ? 0 : Math.max(1.5, share * width)
  return html`<svg class="small" viewBox="0 0 ${width} 10" width="${width}" height="10" role="img" aria-label="${label}"><rect class="track" width="${width}" height="10" rx="2"/><rect class="fill" width="${long.toFixed(1)}" height="10" rx="2"/></svg>`
}

/** Rules of the style sheet that the plots need. */
export const smallPlotStyle = `
svg.small{vertical-align:middle}svg.small .fill{fill:var(--blue)}svg.small .track{fill:var(--line)}svg.small .base{stroke:var(--line)}
`
