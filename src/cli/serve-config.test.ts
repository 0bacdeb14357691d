import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { selfSigned } from '../../test/self-signed.ts'
import { readServeConfig, readTls } from './serve-config.ts'

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

test('origins are told apart from names of hosts and from addresses', async () => {
  const read = async (...cors: string[]) => {
    await writeFile(join(cwd, 'cors.json'), JSON.stringify({ cors }))
    return (await readServeConfig(cwd, { config: 'cors.json' })).cors
  }
  expect(await read('https://shop.example', 'http://localhost:3000', '*')).toHaveLength(3)
  for (const wrong of ['shop.example', 'https://shop.example/', 'https://shop.example:443', 'null'])
    await expect(read(wrong)).rejects.toThrow("must be an origin such as https://shop.example, or '*'")
})

test('files for HTTPS that are no PEM, or do not belong together, are named', async () => {
  const { key, cert } = selfSigned()
  const files = { 'key.pem': key, 'cert.pem': cert, 'other.pem': selfSigned().key, 'text.pem': 'no PEM' }
  for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, name), text)
  await writeFile(join(cwd, 'empty.json'), '{}')
  const config = await readServeConfig(cwd, { config: 'empty.json' })
  const read = (name: string) => readTls(cwd, { ...config, tls: { key: name, cert: 'cert.pem' } })
  expect(read('key.pem')).toEqual({ key, cert })
  for (const name of ['other.pem', 'text.pem'])
    expect(() => read(name)).toThrow(`tls: ${name} and cert.pem must be a private key and its certificate`)
})
