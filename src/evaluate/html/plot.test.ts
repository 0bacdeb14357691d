import { expect, test } from 'vitest'
import { type Plot, plot } from './plot.ts'

const axis = (title: string, scale: 'linear' | 'log' = 'linear') => ({ title, scale, format: String })
const made = (change: Partial<Plot>) =>
  plot({ title: 'A & B', x: axis('steps'), y: axis('loss'), lines: [], ...change })?.text

/** Points of the polylines, in pixels. */
const polylines = (text: string) =>
  [...text.matchAll(/<polyline class="line (\w+)" points="([^"]*)"/g)].map(([, look, points]) => ({
    look,
    points: points!.split(' ').map((point) => point.split(',').map(Number) as [number, number]),
  }))
const texts = (text: string) => [...text.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, content]) => content)

test('points lie where their numbers do: x to the right, y upwards, between the axes', () => {
  const points = [
    [0, 10],
    [50, 0],
    [100, 5],
  ] as const
  const text = made({ lines: [{ name: 'loss', look: 'first', points }] })!
  const [{ look, points: drawn }] = polylines(text) as [{ look: string; points: [number, number][] }]
  expect(look).toBe('first')
  const [[x0, y0], [x1, y1], [x2, y2]] = drawn as [[number, number], [number, number], [number, number]]
  expect([x0, x2]).toEqual([74, 640 - 128])
  expect(x1).toBeCloseTo((x0 + x2) / 2, 1)
  expect([y0, y1]).toEqual([46, 380 - 56])
  expect(y2).toBeCloseTo((y0 + y1) / 2, 1)
})

test('logarithmic axes space powers evenly and leave out what is not above 0', () => {
  const points = [
    [-1, 5],
    [0, 5],
    [1, 0.001],
    [10, Number.NaN],
    [100, 1],
    [10_000, 1000],
  ] as const
  const lines = [{ name: 'a', look: 'second', points, dots: true }] as const
  const text = made({ lines, x: axis('x', 'log'), y: axis('y', 'log') })!
  const [{ points: drawn }] = polylines(text) as unknown as [{ points: [number, number][] }]
  expect(drawn).toHaveLength(3)
  const [a, b, c] = drawn as [[number, number], [number, number], [number, number]]
  expect(b[0] - a[0]).toBeCloseTo(c[0] - b[0], 0)
  expect(a[1] - b[1]).toBeCloseTo(b[1] - c[1], 0)
  expect(text.match(/<circle/g)).toHaveLength(3)
  for (const tick of ['1', '100', '10000', '0.001', '1000']) expect(texts(text)).toContain(tick)
})

test('few decades get ticks between them', () => {
  const points = [
    [12, 1],
    [70, 2],
  ] as const
  const text = made({ x: axis('x', 'log'), lines: [{ name: 'a', look: 'faint', points }] })!
  for (const tick of ['10', '20', '50', '100']) expect(texts(text)).toContain(tick)
  expect(texts(text)).not.toContain('200')
})

test('names are escaped, marks are named, ends of lines that meet keep their labels apart', () => {
  const points = [
    [0, 1],
    [9, 1],
  ] as const
  const lines = [
    { name: 'one <b>', look: 'first', points },
    { name: 'two', look: 'second', points },
  ] as const
  const text = made({ lines, marks: [{ x: 4, label: 'try "this"' }] })!
  expect(texts(text)).toContain('A &amp; B')
  expect(texts(text)).toContain('try &quot;this&quot;')
  expect(text).not.toContain('<b>')
  const at = (name: string) => Number(new RegExp(`y="([\\d.]+)">${name}`).exec(text)![1])
  expect(Math.abs(at('one') - at('two'))).toBeGreaterThanOrEqual(17)
  const label = /aria-label="([^"]*)"/.exec(text)![1]
  expect(label).toBe('A &amp; B: loss over steps. one &lt;b&gt;: 1 at 0 to 1 at 9; two: 1 at 0 to 1 at 9.')
})

test('without a point there is no plot', () => {
  const points = [[0, 1]] as const
  expect(made({})).toBeUndefined()
  expect(made({ x: axis('x', 'log'), lines: [{ name: 'a', look: 'first', points }] })).toBeUndefined()
})
