/** Numbers as people read them in a terminal. */

/** Four digits that say something, or all whole ones: 0.1234, 12.35, 1,053,212, 1.2e-5. */
export function formatScore(value: number): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size < 1e-4 || size >= 1e12) return value.toExponential(2)
  if (size >= 1000) return formatCount(Math.round(value))
  return size < 1 ? value.toFixed(4) : value.toPrecision(4)
}

export function formatCount(value: number): string {
  return value.toLocaleString('en-US')
}

/** '0:07', '12:30', '1:02:03'; what is left or has passed */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const two = (value: number): string => String(value).padStart(2, '0')
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

export function formatRate(perSecond: number): string {
  return perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toPrecision(3)
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let [value, unit] = [bytes, 0]
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1]
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ${units[unit]}`
}

export function formatPercent(share: number): string {
  return `${(share * 100).toFixed(share >= 0.9995 || share < 0.0005 ? 0 : 1)} %`
}

/** 'validationAccuracy' as 'validation accuracy', 'sensitivityAt90Specificity' as 'sensitivity at 90 % specificity' */
export function formatName(name: string): string {
  const words = name.replace(/([a-z0-9])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`)
  return words.replace(/\bat([\d.]+)\b/, 'at $1 %')
}
