import { afterAll, beforeAll, expect, test } from 'vitest'
import { answerOf, type SampleApp, sampleApp, samplePipeline } from '../../../test/sample-server.ts'
import type { Pipeline } from '../../bundle/index.ts'

let pipeline: Pipeline
let app: SampleApp['app']
beforeAll(async () => {
  pipeline = await samplePipeline()
  app = sampleApp([{ name: 'tiny', version: '1', pipeline }]).app
})
afterAll(() => pipeline.release())

const post = async (path: string, body?: string, to = app) =>
  answerOf(await to.request(`/v2/repository/${path}`, { method: 'POST', ...(body === undefined ? {} : { body }) }))

test('index, load, index', async () => {
  expect((await post('models/tiny/load', '{}')).status).toBe(200)
  const ready = [{ name: 'tiny', version: '1', state: 'READY', reason: '' }]
  expect(await post('index', '{"ready":true}')).toEqual({ status: 200, body: ready })
  expect(await post('index')).toEqual({ status: 200, body: ready })
})

test('nobody brings a model along, and nobody loads one that is not there', async () => {
  const config = await post('models/tiny/load', '{"parameters":{"config":"{}"}}')
  expect([config.status, config.body.error]).toEqual([400, expect.stringContaining('"config" is not supported')])
  expect((await post('models/tony/load')).status).toBe(404)
  expect((await post('models/..%2f..%2fetc%2fpasswd/load')).status).toBe(404)
  expect((await post('index', '{"ready":1}')).status).toBe(400)
})

test('a change needs the scope admin', async () => {
  const authenticate = () => ({ id: 'shop', scopes: ['infer'] as const })
  const shop = sampleApp([{ name: 'tiny', version: '1', pipeline }], { authenticate }).app
  expect((await post('models/tiny/unload', '', shop)).status).toBe(403)
  expect((await post('index', '', shop)).status).toBe(200)
})
