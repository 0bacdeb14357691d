import { expect, test } from 'vitest'
import { readSafetensors } from '../../formats/safetensors.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import { Passage } from '../passage.ts'
import { createPayloadSampler } from './payload-sampler.ts'

const feeds: NamedTensors = {
  pixels: { dtype: 'uint8', shape: [1, 2], data: Uint8Array.of(1, 2) },
  note: { dtype: 'string', shape: [1], data: ['hello'] },
}
const results: NamedTensors = { score: { dtype: 'float32', shape: [1, 1], data: Float32Array.of(0.5) } }

function sampler(chances: readonly number[], keep?: (content: Uint8Array) => Promise<unknown>) {
  const kept: Uint8Array[] = []
  const warnings: string[] = []
  let at = 0
  const made = createPayloadSampler({
    share: 0.25,
    keep: keep ?? (async (content) => void kept.push(content)),
    chance: () => chances[at++ % chances.length]!,
    clock: { now: () => 0 },
    log: { info: () => undefined, warn: (line) => void warnings.push(line) },
  })
  const passage = (id: string): Passage =>
    Object.assign(new Passage({ id, kind: 'http', what: 'POST /predict', started: 0, deadline: 1, maxBodyBytes: 1 }), {
      model: 'cats',
      version: '1',
      status: 200,
    })
  return { ...made, kept, warnings, passage, soon: () => new Promise((resolve) => setTimeout(resolve, 5)) }
}

test('a share of requests is kept after its end, whole: tensors, texts, and what the request was', async () => {
  const { onResults, observer, kept, passage, soon } = sampler([0.2, 0.25, 0.9, 0.1])
  const passages = ['a', 'b', 'c', 'd'].map(passage)
  for (const one of passages) onResults(one, feeds, results)
  await soon()
  expect(kept).toEqual([])
  for (const one of passages) observer(one)
  await soon()
  const read = kept.map((content) => readSafetensors(content))
  expect(read.map(({ metadata }) => metadata.request)).toEqual(['a', 'd'])
  const { tensors, metadata } = read[0]!
  expect(metadata).toMatchObject({ model: 'cats', version: '1', status: '200', 'input/note': '["hello"]' })
  expect(tensors.get('input/pixels')).toEqual(feeds.pixels)
  expect(tensors.get('output/score')).toEqual(results.score)
})

test('a disk that is slow or full costs no memory and no request', async () => {
  const { onResults, observer, passage, warnings, soon } = sampler([0], () =>
    Promise.reject(new Error('no space left')),
  )
  const passages = Array.from({ length: 20 }, (_, i) => passage(String(i)))
  for (const one of passages) onResults(one, feeds, results)
  for (const one of passages) observer(one)
  await soon()
  expect(warnings).toHaveLength(8)
  expect(warnings[0]).toBe('the payload of request 0 was not kept: no space left')
})

test('what is very large is left out', async () => {
  const { onResults, observer, passage, kept, soon } = sampler([0])
  const large: NamedTensors = { pixels: { dtype: 'uint8', shape: [1, 2 ** 25], data: new Uint8Array(2 ** 25) } }
  const one = passage('large')
  onResults(one, large, results)
  observer(one)
  await soon()
  expect(kept).toEqual([])
})
