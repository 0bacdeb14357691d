import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readServeConfig } from './serve-config.ts'

let cwd = ''
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'quern-serve-config-'))
})
afterAll(() => rm(cwd, { recursive: true }))

test('without a file there are the defaults: models are watched, nothing that was asked is kept', async () => {
  const { watch } = await readServeConfig(cwd, {})
  expect(watch).toEqual({
    log: 'pretty',
    drift: { window: 2000, minExamples: 200, psi: 0.2, ks: 0.2 },
    feedback: { window: 1000, remember: 10_000, folder: '.quern/feedback', megabytes: 100 },
  })
})

test('the command line goes before the file, and leaves the rest of its section alone', async () => {
  await writeFile(join(cwd, 'some.json'), JSON.stringify({ port: 1, watch: { log: 'json', drift: false } }))
  const read = async (options: Record<string, string>) => readServeConfig(cwd, { config: 'some.json', ...options })
  expect((await read({})).watch).toMatchObject({ log: 'json', drift: false, feedback: { window: 1000 } })
  expect((await read({ logFormat: 'pretty', port: '2' })).watch).toMatchObject({ log: 'pretty', drift: false })
  expect(await read({ port: '2' })).toMatchObject({ port: 2, watch: { log: 'json' } })
})
