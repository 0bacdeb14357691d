import { describe, expect, it } from 'vitest'
import { type ClassificationInput, type ClassificationReport, reportClassification } from './classification.ts'
import { renderReport } from './html.ts'
import { type EpochRecord, metricsFileFrom, type Provenance, type ReportInput } from './report-input.ts'

const provenance: Provenance = {
  task: 'image-classification',
  model: 'cnn',
  parameters: 693_962,
  data: 'photos',
  split: 'test',
  seed: 7,
  date: '2026-01-02T03:04:05Z',
  versions: { quern: '0.1.0' },
}

/** n examples over the classes; every third is taken for the next class. */
function answers(classes: readonly string[], n = classes.length * 3): ClassificationInput {
  const probabilities = new Float32Array(n * classes.length)
  const labels = Array.from({ length: n }, (_, i) => i % classes.length)
  for (const [i, label] of labels.entries()) {
    const said = i % 3 === 0 ? (label + 1) % classes.length : label
    probabilities[i * classes.length + said] = 0.75
    probabilities[i * classes.length + ((said + 1) % classes.length)] = 0.25
  }
  return { probabilities, labels, classes, ids: labels.map((_, i) => `"${i}' onerror='x.png`) }
}

type Input = ReportInput<ClassificationReport>

const inputOf = (classes: readonly string[], more: Partial<Input> = {}): Input => ({
  title: 'A title',
  provenance,
  report: reportClassification(answers(classes)),
  ...more,
})

const history: EpochRecord[] = [1, 2, 3].map((epoch) => ({
  epoch,
  loss: 1 / epoch,
  metrics: { accuracy: 1 - 0.3 / epoch },
  validationLoss: epoch === 3 ? 0.9 : 1.2 / epoch,
  validationMetrics: { accuracy: 1 - 0.4 / epoch },
  learningRate: 0.001,
  seconds: 8,
}))

const voids = new Set(['meta', 'img', 'br'])

/** Names of the tags in order, after checking that they nest; attributes must be quoted. */
function tagsOf(page: string): string[] {
  const open: string[] = []
  const seen: string[] = []
  const body = page.replace(/<style>[\s\S]*?<\/style>/, '').replace('<!doctype html>', '')
  for (const { 1: close, 2: name, 3: empty, index: at } of body.matchAll(
    /<(\/?)([a-z0-9]+)(?:\s+[a-z0-9-]+(?:="[^"<>]*")?)*\s*(\/?)>|</gi,
  )) {
    expect(name, `unreadable tag at ${body.slice(at, at + 60)}`).toBeDefined()
    if (close === '/') expect(open.pop()).toBe(name)
    else {
      seen.push(name!)
      if (empty !== '/' && !voids.has(name!)) open.push(name!)
    }
  }
  expect(open).toEqual([])
  return seen
}

describe('renderReport', () => {
  it('is one page that asks for nothing from elsewhere', () => {
    const page = renderReport(inputOf(['cat', 'dog', 'eel'], { history, bestEpoch: 2 }))
    const tags = tagsOf(page)
    for (const tag of ['script', 'link', 'iframe', 'object', 'form']) expect(tags).not.toContain(tag)
    expect(page).not.toMatch(/https?:|url\(|@import/)
    expect(page).toContain('default-src &#39;none&#39;')
    expect(tags.filter((tag) => tag === 'h1')).toHaveLength(1)
    for (const heading of [
      'Training',
      'What is taken for what',
      'What this report cannot show',
      'Where the numbers come from',
    ]) {
      expect(page).toContain(`>${heading}</h2>`)
    }
  })

  it('is the same for the same input', () => {
    expect(renderReport(inputOf(['a', 'b'], { history }))).toBe(renderReport(inputOf(['a', 'b'], { history })))
  })

  it('makes hostile names harmless', () => {
    const hostile = ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "'; </style><b>"]
    const report = reportClassification({
      ...answers(hostile),
      slices: { '<i>': Array(9).fill('</table>') as string[] },
    })
    const page = renderReport({
      ...inputOf(hostile, { history: [{ epoch: 1, loss: 1, metrics: { '<u>': 0.5 } }] }),
      report,
      title: '</title><script>',
      provenance: { ...provenance, model: '<b onclick=x>', more: { '<hr>': '&amp;' }, versions: { '<a>': '"' } },
      thumbnails: new Map([[report.worstMistakes[0]!.id, 'data:image/png;base64,AAAA']]),
    })
    const tags = tagsOf(page)
    for (const tag of ['script', 'u', 'hr', 'a']) expect(tags).not.toContain(tag)
    expect(tags.filter((tag) => tag === 'img')).toHaveLength(1)
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
  })

  it('shows pictures given as raster data URIs and no others', () => {
    const input = inputOf(['cat', 'dog', 'eel'])
    const [a, b, c] = input.report.worstMistakes
    const good = 'data:image/png;base64,iVBORw0KGgo='
    const thumbnails = new Map([
      [a!.id, good],
      [b!.id, 'https://example.org/x.png'],
      [c!.id, 'data:image/svg+xml;base64,AAAA'],
    ])
    const page = renderReport({ ...input, thumbnails, pixelated: true })
    expect(page.match(/<img /g)).toHaveLength(1)
    expect(page).toContain(`src="${good}"`)
    expect(page).not.toContain('example.org')
    expect(page).not.toContain('svg+xml')
    expect(page).toContain('class="pixelated"')
  })

  it.each([2, 10, 30, 50])('draws the matrix of %d classes', (n) => {
    const page = renderReport(inputOf(Array.from({ length: n }, (_, i) => `class ${i}`)))
    const tags = tagsOf(page)
    expect(page).toContain('<table class="matrix')
    expect(tags.length).toBeGreaterThan(n * n)
  })

  it('lists the confused pairs alone above 50 classes', () => {
    const page = renderReport(inputOf(Array.from({ length: 51 }, (_, i) => `class ${i}`)))
    expect(page).not.toContain('<table class="matrix')
    expect(page).toContain('A matrix of 51 classes does not fit')
    expect(page).toContain('26 more classes')
  })

  it('says what the curves show', () => {
    const page = renderReport(inputOf(['a', 'b'], { history, bestEpoch: 2 }))
    expect(page).toContain('The validation loss is lowest at epoch 2 (0.600) and higher at the end (0.900)')
    expect(page).toContain('epoch 2 was kept')
    expect(page).toContain('training: 1.00 at epoch 1 to 0.333 at epoch 3')
    expect(page).toContain('Epoch 2, whose weights were evaluated')
  })

  it.each([
    ['one epoch', [{ epoch: 1, loss: 0.5 }]],
    ['a loss that is not a number', [{ epoch: 1, loss: Number.NaN }]],
    [
      'a gap',
      [
        { epoch: 1, loss: 2 },
        { epoch: 2, loss: Number.NaN },
        { epoch: 3, loss: 1 },
      ],
    ],
    ['a thousand epochs', Array.from({ length: 1000 }, (_, i) => ({ epoch: i + 1, loss: 1 / (i + 1) }))],
  ])('survives %s', (_, epochs: EpochRecord[]) => {
    const page = renderReport(inputOf(['a', 'b'], { history: epochs }))
    tagsOf(page)
    expect(page).not.toMatch(/="[^"]*NaN/)
  })

  it('survives a perfect model and a single class', () => {
    const perfect = { probabilities: Float32Array.of(1, 0, 0, 1), labels: [0, 1], classes: ['a', 'b'], ids: ['x', 'y'] }
    const page = renderReport({ ...inputOf(['a', 'b']), report: reportClassification(perfect) })
    tagsOf(page)
    expect(page).toContain('No class was missed')
    const one = { probabilities: Float32Array.of(1, 1), labels: [0, 0], classes: ['only'], ids: ['x', 'y'] }
    tagsOf(renderReport({ ...inputOf(['a', 'b']), report: reportClassification(one) }))
  })
})

it('metrics.json holds the numbers and their source', () => {
  const file = metricsFileFrom(inputOf(['a', 'b'], { history, bestEpoch: 2 }))
  expect(file).toMatchObject({ format: 'quern.metrics', version: 1, bestEpoch: 2, provenance: { seed: 7 } })
  expect(JSON.parse(JSON.stringify(file))).toEqual(file)
})
