import { expect, test } from 'vitest'
import type { ImageProfile } from '../data/image-profile.ts'
import type { TableProfile } from '../data/table-profile.ts'
import { renderProfile } from './profile-page.ts'

const evil = '<script>alert(1)</script>'

const table: TableProfile = {
  kind: 'table',
  rows: 100,
  targets: ['state'],
  columns: [
    {
      name: evil,
      kind: 'number',
      missing: 7,
      distinct: 90,
      numbers: { mean: 1, deviation: 1, quartiles: [0, 1, 2, 3, 4], histogram: [1, 0, 99, 0] },
      alone: 0.998,
    },
    { name: 'state', kind: 'category', missing: 0, distinct: 2, top: [{ value: evil, count: 80 }] },
    { name: 'id', kind: 'category', role: 'identifier', missing: 0, distinct: 100 },
  ],
  labels: [evil, 'well'],
  splits: { train: { rows: 80, classes: [64, 16] }, test: { rows: 20, classes: [16, 4] } },
  majority: 0.8,
  duplicates: { rows: 2, shared: { test: 1 }, contradictions: 0, first: ['row 1 = row 2'] },
  near: { pairs: 1, across: 1, first: ['row 3 ~ row 9 (91 %)'] },
  time: [{ column: 'day', earlier: { test: 0.5 }, broken: { row: 4, first: 'rows.csv row 5', count: 1 } }],
  skipped: [{ name: 'rows.csv line 7', reason: evil }],
  notes: [],
  advice: [`Column '${evil}' alone tells the target.`],
}

test('a table: every finding stands there, nothing of the data is markup, nothing is loaded', () => {
  const page = renderProfile({ name: evil, profile: table, date: '2026-11-23T20:00:00.000Z' })
  expect(page).not.toContain('<script')
  expect(page).toContain('&lt;script&gt;')
  expect(page).not.toMatch(/(src|href)="(?!#)/)
  expect(page).not.toMatch(/https?:\/\/(?!www\.w3\.org)/)
  for (const text of [
    '100 rows of 3 columns: 80 train, 20 test.',
    'category, identifier',
    '7.0\u00a0%',
    // right in 0.998 of the rows, where the commonest class is right in 0.8
    '>0.990<',
    'rows in bins from 0 to 4',
    '1 rows out of order, the first is rows.csv row 5',
    '1 of test',
    'row 3 ~ row 9 (91 %)',
    'rows.csv line 7',
  ]) {
    expect(page).toContain(text)
  }
  // A bin with one row in a hundred is drawn; an empty one is not.
  const bars = [...page.matchAll(/class="fill" x="[^"]*" y="[^"]*" width="[^"]*" height="([^"]*)"/g)].map(([, h]) => h)
  expect(bars).toEqual(['1.5', '0.0', '30.0', '0.0'])
})

const pictures: ImageProfile = {
  kind: 'images',
  examples: 10,
  shape: [3, 64, 48],
  labels: ['cat', 'dog'],
  splits: { train: { examples: 10, classes: [4, 6] } },
  imbalance: { largest: 'dog', smallest: 'cat', ratio: 1.5 },
  pixels: { mean: [1, 2, 3], std: [4, 5, 6] },
  broken: [],
  ignored: [],
  duplicates: {
    groups: { count: 1, first: [{ examples: ['train: a.png', 'train: b.png'], splits: ['train'], labels: ['cat'] }] },
    extra: 1,
    leaked: {},
    contradictions: { count: 0, first: [] },
  },
  constant: { count: 0, first: [] },
  advice: [],
}

test('pictures: balance, pixels, duplicates', () => {
  const page = renderProfile({ name: 'animals', profile: pictures, date: '2026-11-23T20:00:00.000Z' })
  for (const text of [
    '10 pictures of 64 x 48, colour, 2 classes: 10 train.',
    'Nothing stands in the way of training.',
    'train: a.png = train: b.png',
    'not looked for',
    '40.0\u00a0%',
  ]) {
    expect(page).toContain(text)
  }
})

test('pictures: no class is named where all are as large', () => {
  const even = { ...pictures, imbalance: { largest: 'cat', smallest: 'cat', ratio: 1 } }
  const page = renderProfile({ name: 'pets', profile: even, date: '2026-11-29T20:00:00.000Z' })
  expect(page).toContain('every class has as many')
  expect(page).not.toContain('times as many')
})
