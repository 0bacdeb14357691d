import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ended, quern } from '../../../test/command-line.ts'
import { accessFor } from '../access.ts'

let cwd = ''
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'quern-keys-'))
})
afterAll(() => rm(cwd, { recursive: true }))

const keys = (...argv: string[]): Promise<Ended> => quern(['keys', ...argv], { cwd })
const json = async (...argv: string[]) => JSON.parse((await keys(...argv, '--json')).stdout)
const place = (): { cwd: string; now: () => number } => ({ cwd, now: () => Date.UTC(2026, 10, 23) })

describe.sequential('quern keys', () => {
  test('none yet: a server has one for its run', async () => {
    expect((await keys('list')).stdout).toBe('no keys yet: make one with `quern keys create NAME`\n')
    const { kind, key, authenticate } = await accessFor(place(), false)
    expect([kind, (await authenticate(key))?.scopes]).toEqual(['run', ['infer', 'admin', 'metrics']])
    expect(await authenticate(undefined)).toBeUndefined()
    expect(await json('list')).toEqual([])
  })

  test('create, use, list, revoke', async () => {
    const made = await json('create', 'shop', '--scope', 'infer', 'metrics', '--expires', '90d', '--max-running', '4')
    expect(made).toMatchObject({ name: 'shop', scopes: ['infer', 'metrics'], maxRunning: 4, state: 'valid' })
    expect(made.sha256).toBeUndefined()
    const { kind, key, authenticate } = await accessFor(place(), false)
    expect([kind, key]).toEqual(['keys', undefined])
    expect(await authenticate(made.key)).toEqual({ id: made.id, scopes: ['infer', 'metrics'], maxRunning: 4 })
    expect((await keys('list')).stdout).toMatch(new RegExp(`${made.id}.*shop.*valid.*infer, metrics`))
    expect((await keys('revoke', made.id)).stdout).toContain('(shop) is revoked')
    expect(await json('list')).toMatchObject([{ id: made.id, state: 'revoked' }])
    expect(await (await accessFor(place(), false)).authenticate(made.key)).toBeUndefined()
  })

  test('a public server lets everybody use models and nobody change them', async () => {
    const { kind, authenticate } = await accessFor(place(), true)
    expect([kind, await authenticate(undefined)]).toEqual(['public', { id: 'public', scopes: ['infer'] }])
  })

  test.each([
    [['crate', 'x'], 2, "Did you mean 'create'?"],
    [['create'], 2, 'whose key is it?'],
    [['create', 'x', '--scope', 'admn'], 2, "Did you mean 'admin'?"],
    [['create', 'x', '--expires', '2020-01-01'], 2, '--expires must be a time to come'],
    [['create', 'x', '--expires', 'soon'], 2, '--expires must be a time to come'],
    [['create', 'x', '--priority', '-1'], 2, '--priority must be a whole number'],
    [['list', 'shop'], 2, "quern keys list takes no key, received 'shop'"],
    [['revoke'], 2, 'which key?'],
    [['revoke', 'zzz'], 1, "there is no key 'zzz'"],
  ])('%j is refused', async (argv, code, message) => {
    const ended = await keys(...argv)
    expect(ended.stderr).toContain(message)
    expect(ended.code).toBe(code)
  })
})
