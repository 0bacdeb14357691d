import { expect, it } from 'vitest'
import { type ClassificationReport, reportClassification } from './classification.ts'
import { limitsOf } from './limits.ts'
import type { Provenance, ReportInput } from './report-input.ts'

const provenance: Provenance = {
  task: 'image-classification',
  model: 'cnn',
  data: 'photos',
  split: 'test',
  date: '2026-01-02T03:04:05Z',
  versions: {},
}

/** `right` + `wrong` examples of class `a`, one of `b` (right), none of `c`. */
function inputWith(right: number, wrong: number, slices?: Record<string, string[]>): ReportInput<ClassificationReport> {
  const rows = [...Array(right).fill([1, 0, 0]), ...Array(wrong).fill([0, 0, 1]), [0, 1, 0]] as number[][]
  const labels = rows.map((_, i) => (i < right + wrong ? 0 : 1))
  const input = {
    probabilities: Float32Array.from(rows.flat()),
    labels,
    classes: ['a', 'b', 'c'],
    ids: labels.map((_, i) => `${i}.png`),
  }
  return { title: 't', provenance, report: reportClassification(slices ? { ...input, slices } : input) }
}

const titles = (input: ReportInput<ClassificationReport>) => limitsOf(input).map((limit) => limit.title)

it('names small sets, absent and rare classes, imbalance', () => {
  const limits = limitsOf(inputWith(40, 9))
  expect(limits.map((limit) => limit.title).slice(0, 4)).toEqual([
    'The test set is small',
    '1 class without a test example',
    'Some classes have few examples',
    'The classes are unbalanced',
  ])
  expect(limits[2]!.text).toContain('b (1)')
  expect(limits[3]!.text).toContain('Always answering a would already be right for 98.0\u00a0%')
})

it('does not call a large set small', () => {
  expect(titles(inputWith(20_000, 100))).not.toContain('The test set is small')
})

it('says when the split is not test, and when groups were not compared', () => {
  const input = inputWith(3, 1)
  expect(titles(input)).toContain('No groups were compared')
  expect(titles({ ...input, provenance: { ...provenance, split: 'validation' } })).toContain(
    'These are not test examples',
  )
  expect(titles(inputWith(1, 0, { site: ['x', 'y'] }))).not.toContain('No groups were compared')
})

it('suspects a perfect score', () => {
  expect(limitsOf(inputWith(30, 0)).find((limit) => limit.title === 'Labels are taken as true')!.text).toContain(
    'duplicates',
  )
})
