import { describe, expect, test } from 'vitest'
import { owner, sampleApp } from '../../test/sample-server.ts'
import { keyFrom } from './principal.ts'

const basic = (text: string): string => `Basic ${btoa(text)}`

describe('a key', () => {
  const from = (path: string, headers: Readonly<Record<string, string>>) => keyFrom(path, (name) => headers[name])
  test.each<[string, Record<string, string>, string | undefined]>([
    ['/predict', { authorization: 'Bearer qk_a' }, 'qk_a'],
    ['/predict', { authorization: 'bearer  qk_a' }, 'qk_a'],
    ['/predict', { 'x-api-key': 'qk_a' }, 'qk_a'],
    ['/predict', {}, undefined],
    // What is no key is looked up all the same, and not found.
    ['/predict', { authorization: basic('me:qk_a') }, basic('me:qk_a')],
    ['/docs', { authorization: basic('me:qk_a') }, 'qk_a'],
    ['/docs', { authorization: basic(':qk:a') }, 'qk:a'],
    ['/v2/models/cats', { authorization: basic(':qk_a') }, 'qk_a'],
    ['/v2/models/cats/infer', { authorization: basic(':qk_a') }, basic(':qk_a')],
    ['/', { authorization: 'Basic %%%' }, 'Basic %%%'],
    ['/docs', { authorization: 'Bearer qk_a' }, 'qk_a'],
  ])('at %s with %j', (path, headers, expected) => {
    expect(from(path, headers)).toBe(expected)
  })

  test('is asked for by a browser on pages, and nowhere else', async () => {
    const { app } = sampleApp([], { authenticate: (key) => (key === 'qk_a' ? owner : undefined) })
    const html = { accept: 'text/html,*/*' }
    const ask = async (path: string, headers: Record<string, string>, method = 'GET') => {
      const answer = await app.request(path, { headers, method })
      return [answer.status, answer.headers.get('www-authenticate')?.split(' ')[0]]
    }
    expect(await ask('/docs', html)).toEqual([401, 'Basic'])
    expect(await ask('/docs', { ...html, authorization: basic('x:qk_a') })).toEqual([200, undefined])
    expect(await ask('/docs', { accept: 'application/json' })).toEqual([401, 'Bearer'])
    expect(await ask('/predict', { ...html, authorization: basic('x:qk_a') }, 'POST')).toEqual([401, 'Bearer'])
    expect(await ask('/jobs', { ...html, authorization: basic('x:qk_a') })).toEqual([401, 'Bearer'])
  })
})
