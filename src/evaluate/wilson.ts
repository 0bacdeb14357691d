/** How far a share measured on few examples may be from the truth. */

export interface Interval {
  readonly low: number
  readonly high: number
}

/**
 * 95 % interval of a proportion of `hits` in `total` independent examples; [0, 1] of none. E. B. Wilson,
 * "Probable inference, the law of succession, and statistical inference", 1927: unlike the normal
 * approximation it stays inside [0, 1] and keeps its coverage near 0 and 1, where good models live.
 */
export function wilsonInterval(hits: number, total: number): Interval {
  if (total === 0) return { low: 0, high: 1 }
  const z = 1.959963984540054
  const p = hits / total
  const scale = 1 + z ** 2 / total
  const centre = (p + z ** 2 / (2 * total)) / scale
  const half = (z / scale) * Math.sqrt((p * (1 - p)) / total + z ** 2 / (4 * total ** 2))
  return { low: hits === 0 ? 0 : centre - half, high: hits === total ? 1 : centre + half }
}
