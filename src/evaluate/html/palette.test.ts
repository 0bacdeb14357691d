/** WCAG 2.1: text needs a contrast of 4.5, the parts of a picture 3 (success criteria 1.4.3 and 1.4.11). */
import { describe, expect, it } from 'vitest'
import { dark, light } from './palette.ts'

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
}

function contrast(a: string, b: string): number {
  const [x, y] = [luminance(a), luminance(b)]
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05)
}

describe.each([
  ['light', light],
  ['dark', dark],
])('%s', (_, p) => {
  it('has readable text', () => {
    for (const text of [p.ink, p.muted, p.blue, p.orange]) {
      for (const ground of [p.page, p.surface]) expect(contrast(text, ground)).toBeGreaterThanOrEqual(4.5)
    }
  })

  it('has readable numbers on every level of heat', () => {
    expect(p.heat).toHaveLength(9)
    for (const [i, fill] of p.heat.entries()) {
      expect(contrast(fill, i + 1 < p.strongFrom ? p.onFaint : p.onStrong), `level ${i + 1}`).toBeGreaterThanOrEqual(
        4.5,
      )
    }
  })

  it('has heat whose lightness goes one way', () => {
    const steps = p.heat.map(luminance)
    const sorted = [...steps].sort((a, b) => (p === light ? b - a : a - b))
    expect(steps).toEqual(sorted)
  })
})
