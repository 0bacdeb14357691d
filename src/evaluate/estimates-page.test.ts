import { expect, it } from 'vitest'
import { renderReport } from './html.ts'
import { reportRegression } from './regression.ts'

const provenance = {
  task: 'tabular-regression',
  model: 'mlp',
  parameters: 100,
  data: 'houses.csv',
  split: 'test',
  seed: 0,
  date: '2026-01-02T03:04:05Z',
  versions: { quern: '0.1.0' },
}

/** Prices of a million, half of them 50,000 too high. */
function page(): string {
  const targets = Float32Array.from({ length: 40 }, (_, i) => 800_000 + 10_000 * i)
  const predictions = targets.map((target, i) => target + (i % 2 ? 50_000 : 0))
  const ids = Array.from(targets, (_, i) => `row ${i}`)
  return renderReport({ title: 'Houses', provenance, report: reportRegression({ predictions, targets, ids }) })
}

it('writes prices with all their digits, squares of them in few, and ticks in fewer', () => {
  const text = page()
  expect(text).toContain('<td>1,190,000</td>')
  expect(text).toContain('<dt>Mean squared error</dt><dd>1.25B</dd>')
  expect(text).toMatch(/<text [^>]*>1M<\/text>/)
  expect(text).not.toMatch(/>-?\d\.\d+e\+\d+</)
})

it('draws what it tells of: lines and points have a colour of the page, dark or not', () => {
  const text = page()
  const chart = /<svg class="chart"[\s\S]*?<\/svg>/.exec(text)![0]
  const drawn = [...chart.matchAll(/<(line|circle) class="(\w+)"/g)]
  const kinds = new Set(drawn.map(([, tag, name]) => `${tag} ${name}`))
  expect([...kinds].sort()).toEqual(['circle dot', 'line grid', 'line ideal'])
  expect(drawn.filter(([, tag]) => tag === 'circle')).toHaveLength(40)
  for (const kind of kinds) {
    const [tag, name] = kind.split(' ')
    expect(text).toMatch(new RegExp(`\\.chart \\.${name}\\{${tag === 'line' ? 'stroke' : 'fill'}:var\\(--`))
  }
})
