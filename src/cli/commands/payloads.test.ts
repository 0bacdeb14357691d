import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ended, quern } from '../../../test/command-line.ts'
import { readSafetensors, writeSafetensors } from '../../formats/safetensors.ts'
import { createFileBlobs } from '../../store/file-blobs.ts'
import { createPayloadStore } from '../../store/payloads.ts'

const key = new Uint8Array(32).fill(7)
const env = { QUERN_PAYLOAD_KEY: Buffer.from(key).toString('base64') }
let cwd = ''
let id = ''
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'quern-payloads-'))
  const limits = { maxAgeMilliseconds: 1e12, maxBytes: 1e9 }
  const blobs = createFileBlobs(join(cwd, 'kept'))
  const store = createPayloadStore(blobs, { key, clock: { now: () => 1_000_000_000_000 }, limits })
  const pixels = { dtype: 'uint8', shape: [1, 3], data: Uint8Array.of(1, 2, 3) } as const
  const metadata = { model: 'cats', request: 'r1', what: 'POST /predict' }
  id = await store.add(writeSafetensors({ tensors: new Map([['input/pixels', pixels]]), metadata }))
  const payloads = { share: 0.1, folder: 'kept', days: 3 }
  await writeFile(join(cwd, 'quern.serve.json'), JSON.stringify({ watch: { payloads } }))
})
afterAll(() => rm(cwd, { recursive: true }))

const payloads = (argv: readonly string[], variables: Record<string, string> = env): Promise<Ended> =>
  quern(['payloads', ...argv], { cwd, env: variables })

describe.sequential('quern payloads', () => {
  test('lists without a key, reads with it, and writes what it read for the owner alone', async () => {
    expect((await payloads(['list'], {})).stdout).toContain(`${id}  2001-09-09 01:46:40`)
    const { stdout, code } = await payloads(['read', id, '--out', 'asked.safetensors'])
    expect([code, stdout]).toEqual([
      0,
      'model: cats\nrequest: r1\nwhat: POST /predict\ninput/pixels uint8 [1, 3]: 1, 2, 3\n',
    ])
    const file = join(cwd, 'asked.safetensors')
    expect(readSafetensors(await readFile(file)).metadata.request).toBe('r1')
    expect((await stat(file)).mode & 0o077).toBe(0)
  })

  test.each([
    [['read'], env, 'which payload?'],
    [['read', 'x'], env, "'x' is no id of a payload"],
    [['reed'], env, "Did you mean 'read'?"],
    [['read', 'ID'], {}, 'the environment must have QUERN_PAYLOAD_KEY'],
    [['read', 'ID'], { QUERN_PAYLOAD_KEY: 'password' }, 'QUERN_PAYLOAD_KEY must be 32 random bytes'],
    [['read', 'ID'], { QUERN_PAYLOAD_KEY: 'ff'.repeat(32) }, 'its key is another, or it was changed'],
  ] as const)('%j is an error that says what to do', async (argv, variables, message) => {
    const { code, stderr } = await payloads(
      argv.map((word) => (word === 'ID' ? id : word)),
      variables,
    )
    expect(code).not.toBe(0)
    expect(stderr).toContain(message)
  })

  test('prunes what is older than the configuration allows', async () => {
    expect((await payloads(['prune'], {})).stdout).toBe('1 payload(s) removed\n')
    expect((await payloads(['list'], {})).stdout).toMatch(/^no payloads/)
  })
})

describe('quern serve', () => {
  test.each([
    [{ payloads: { share: 0.5 } }, {}, 'the environment must have QUERN_PAYLOAD_KEY'],
    [{ drift: { webhook: 'https://example.com' } }, { QUERN_WEBHOOK_SECRET: 'short' }, 'QUERN_WEBHOOK_SECRET'],
    [{ drift: { webhook: 'file:///etc/passwd' } }, {}, 'watch.drift'],
    [{ payloads: { share: 2 } }, {}, 'watch.payloads.share'],
    [{ log: 'xml' }, {}, 'watch.log'],
    [{ drft: false }, {}, 'drft'],
  ] as const)('with watch %j says what is wrong', async (watch, variables, message) => {
    await writeFile(join(cwd, 'wrong.json'), JSON.stringify({ port: 0, watch }))
    const { code, stderr } = await quern(['serve', '--config', 'wrong.json'], { cwd, env: { ...variables } })
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)])
  })
})
