/** Numbers as a reader of a report wants them. English conventions, so that a report is the same everywhere.
 * Between a number and its unit stands a no-break space. */
import type { Interval } from './wilson.ts'

const wholeFormat = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** `10,000` */
export const whole = (n: number): string => wholeFormat.format(n)

/** `1 example`, `2 examples` */
export const countOf = (n: number, one: string, many: string = `${one}s`): string =>
  `${whole(n)} ${n === 1 ? one : many}`

/** `98.7 %`; a share that is not exactly 0 or 1 is never rounded to look so. */
export function percent(share: number, digits = 1): string {
  if (!Number.isFinite(share)) return 'not defined'
  const text = (share * 100).toFixed(digits)
  const step = 10 ** -digits
  if (share < 1 && Number(text) >= 100) return `${(100 - step).toFixed(digits)}\u00a0%`
  if (share > 0 && Number(text) === 0) return `<${step.toFixed(digits)}\u00a0%`
  return `${text}\u00a0%`
}

/** `98.5 – 98.9 %` */
export const percentRange = ({ low, high }: Interval, digits = 1): string =>
  `${(low * 100).toFixed(digits)}\u00a0–\u00a0${(high * 100).toFixed(digits)}\u00a0%`

/** Three significant digits or all whole ones, without an exponent unless the number is very small or large: `0.0412`, `1,053,212`, `3.1e-7`. */
export function decimal(n: number): string {
  if (!Number.isFinite(n)) return 'not defined'
  if (n === 0) return '0'
  const size = Math.abs(n)
  if (size >= 1e12 || size < 1e-3) return n.toExponential(1)
  return size >= 1000 ? whole(n) : n.toPrecision(3)
}

const shortFormat = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 })

/** As `decimal`, for the little room beside an axis: `1.25M`. */
export const compact = (n: number): string =>
  Math.abs(n) >= 1e4 && Math.abs(n) < 1e15 ? shortFormat.format(n) : decimal(n)

/** `41 s`, `3 min 20 s`, `2 h 5 min` */
export function duration(seconds: number): string {
  const s = Math.round(seconds)
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`
  return `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`
}

/** Digits after the point that the number of examples supports. */
export const digitsFor = (examples: number): number => (examples >= 5000 ? 2 : examples >= 100 ? 1 : 0)

/** `top5Accuracy` -> `Top 5 accuracy`, `weightedF1` -> `Weighted F1`, `areaUnderRoc` -> `Area under ROC`, `sensitivityAt90Specificity` -> `Sensitivity at 90 % specificity` */
export function metricTitle(name: string): string {
  const text = name
    .replace(/([a-z])(\d)/g, '$1 $2')
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replace(/\bf ?1\b/, 'F1')
    .replace(/\br ?2\b/, 'R²')
    .replace(/\broc\b/, 'ROC')
    .replace(/\bat ([\d.]+)\b/, 'at $1 %')
  return text[0]!.toUpperCase() + text.slice(1)
}
