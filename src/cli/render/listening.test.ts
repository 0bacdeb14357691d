import { expect, test } from 'vitest'
import { sampleManifest } from '../../../test/sample-bundle.ts'
import type { Manifest } from '../../contract/manifest.ts'
import type { Access } from '../access.ts'
import { listeningLines } from './listening.ts'

const manifest: Manifest = { ...sampleManifest, files: {} }
const tableOf = (task: string, target: string | string[], labels: string[] = []): Manifest => ({
  ...manifest,
  ...{ task, labels, preprocessing: { kind: 'table', columns: [], target, missing: [] } },
})
const listed = (name: string, manifest: Manifest) => ({ name, version: '1', manifest })
const access: Access = { kind: 'keys', authenticate: () => undefined, isValid: async () => true }
const lines = (...models: Parameters<typeof listeningLines>[1]): string[] =>
  listeningLines('http://x', models, access, (text) => text)

test('each model stands with what it answers', () => {
  const models = [
    listed('tiny', manifest),
    listed('mails', tableOf('tabular-multilabel', 'topics', ['a', 'b', 'c'])),
    listed('birds', tableOf('tabular-classification', ['species', 'mass'])),
    listed('price', tableOf('tabular-regression', 'price')),
  ]
  expect(lines(...models).slice(1, 5)).toEqual([
    '  tiny, version 1: image-classification, 5 classes',
    '  mails, version 1: tabular-multilabel, 3 labels',
    '  birds, version 1: tabular-classification: species, mass',
    '  price, version 1: tabular-regression: price',
  ])
})

test('what to type is right for the first model', () => {
  const picture = "  curl -H 'Authorization: Bearer KEY' --data-binary @picture.png http://x/predict"
  expect(lines(listed('tiny', manifest))).toContain(picture)
  const rows =
    "  curl -H 'Authorization: Bearer KEY' -H 'Content-Type: text/csv' --data-binary @rows.csv http://x/predict/price"
  expect(lines(listed('price', tableOf('tabular-regression', 'price')), listed('tiny', manifest))).toContain(rows)
})
