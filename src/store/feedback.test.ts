import { expect, test } from 'vitest'
import { createFeedbackStore, type FeedbackRecord } from './feedback.ts'
import { createMemoryBlobs } from './memory-blobs.ts'

const record = (request: number): FeedbackRecord => ({
  ...{ time: '2026-11-23T00:00:00.000Z', request: String(request), example: 0, key: 'k' },
  ...{ label: 'cat', answer: [0.25, 0.75] },
})

test('labels are added in order and read back, the last ones, by the next process too', async () => {
  const blobs = createMemoryBlobs()
  const store = createFeedbackStore(blobs, 1e6)
  await Promise.all([store.add('cats', '1', [record(1), record(2)]), store.add('cats', '1', [record(3)])])
  await store.add('cats', '2', [record(9)])
  const again = createFeedbackStore(blobs, 1e6)
  await again.add('cats', '1', [record(4)])
  expect(await again.recent('cats', '1', 3)).toEqual([record(2), record(3), record(4)])
  expect(await again.recent('cats', '3', 3)).toEqual([])
})

test('files are bounded: the oldest labels go', async () => {
  const blobs = createMemoryBlobs()
  const line = JSON.stringify(record(100)).length + 1
  for (let i = 100; i < 150; i++) await createFeedbackStore(blobs, 20 * line).add('cats', '1', [record(i)])
  const kept = await createFeedbackStore(blobs, 20 * line).recent('cats', '1', 1000)
  expect(kept.map(({ request }) => Number(request))).toEqual(Array.from({ length: 20 }, (_, i) => 130 + i))
  expect(await blobs.list('')).toHaveLength(4)
})

test('a torn line is left out', async () => {
  const blobs = createMemoryBlobs()
  const store = createFeedbackStore(blobs, 1e6)
  await store.add('cats', '1', [record(1)])
  await blobs.append('cats/1/000001.jsonl', new TextEncoder().encode('{"time":"2026-1\n'))
  await store.add('cats', '1', [record(2)])
  expect(await store.recent('cats', '1', 9)).toEqual([record(1), record(2)])
})
