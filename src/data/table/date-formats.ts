/** Dates as texts: the formats that are looked for, in the letters of strptime, and a parser that reads them as DuckDB does. */

/** Characters of the shortest and of the longest text that one of the formats reads. */
export const dateLengths = { least: 8, most: 27 } as const

/** Formats that a column is tried with, in this order. Times without a zone are UTC. */
export const dateFormats: readonly string[] = [
  '%Y-%m-%d',
  '%Y-%m-%d %H:%M:%S',
  '%Y-%m-%d %H:%M',
  '%Y-%m-%dT%H:%M:%S',
  '%Y-%m-%dT%H:%M:%SZ',
  '%Y-%m-%d %H:%M:%S.%f',
  '%Y-%m-%dT%H:%M:%S.%f',
  '%Y-%m-%dT%H:%M:%S.%fZ',
  '%Y/%m/%d',
  '%d.%m.%Y',
  '%d.%m.%Y %H:%M',
  '%d/%m/%Y',
  '%m/%d/%Y',
  '%d-%m-%Y',
]

const parts: Readonly<Record<string, string>> = {
  Y: '(?<Y>\\d{4})',
  m: '(?<m>\\d{1,2})',
  d: '(?<d>\\d{1,2})',
  H: '(?<H>\\d{1,2})',
  M: '(?<M>\\d{1,2})',
  S: '(?<S>\\d{1,2})',
  // digits of a second, as many as there are
  f: '(?<f>\\d{1,6})',
}

const compiled = new Map<string, RegExp>()

function patternOf(format: string): RegExp {
  let found = compiled.get(format)
  if (!found) {
    const text = format.replaceAll(/%(.)|([.\\/])/g, (_, part: string | undefined, mark: string) =>
      part === undefined ? `\\${mark}` : (parts[part] ?? part),
    )
    found = new RegExp(`^${text}$`)
    compiled.set(format, found)
  }
  return found
}

/** Milliseconds since 1970 in UTC; undefined when the text is no date of the format, or a day that does not exist. */
export function parseDate(text: string, format: string): number | undefined {
  const found = patternOf(format).exec(text.trim())?.groups
  if (!found) return undefined
  const [year, month, day, hour, minute, second] = ['Y', 'm', 'd', 'H', 'M', 'S'].map((part) =>
    found[part] === undefined ? undefined : Number(found[part]),
  ) as [number, number, number, number?, number?, number?]
  const time = Date.UTC(2000, month - 1, day, hour ?? 0, minute ?? 0, second ?? 0)
  const date = new Date(time)
  date.setUTCFullYear(year, month - 1, day)
  const isReal = date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  if (!isReal || (hour ?? 0) > 23 || (minute ?? 0) > 59 || (second ?? 0) > 59) return undefined
  return date.getTime() + Math.floor(1000 * Number(`0.${found.f ?? 0}`))
}
