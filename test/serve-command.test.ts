/** `quern serve` as a process of its own, as an operator starts, reloads and stops it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { writeBundle } from '../src/bundle/index.ts'
import { createFileBlobs } from '../src/store/file-blobs.ts'
import { inferBody } from './live-server.ts'
import { exportSample, sampleManifest } from './sample-bundle.ts'
import { selfSigned } from './self-signed.ts'

const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'quern-serve-'))
const { key, cert } = selfSigned()
const configure = (config: object): void => writeFileSync(join(folder, 'quern.serve.json'), JSON.stringify(config))

interface Listening {
  readonly url: string
  readonly access: string
  readonly key?: string
}

interface Command {
  readonly child: ChildProcess
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>
  /** its first line; rejects when it ends before */
  readonly listening: Promise<Listening>
}

const running: Command[] = []
function serve(...words: readonly string[]): Command {
  const child = spawn(process.execPath, [program, 'serve', '--json', '--workers', '1', ...words], { cwd: folder })
  let [stdout, stderr] = ['', '']
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const ended = new Promise<Awaited<Command['ended']>>((resolve) =>
    child.once('close', (code) => resolve({ code, stdout, stderr })),
  )
  const listening = new Promise<Listening>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      stdout += `${line}\n`
      resolve(JSON.parse(line))
    })
    void ended.then(() => reject(new Error(`it ended: ${stderr}`)))
  })
  listening.catch(() => undefined)
  const command = { child, ended, listening }
  running.push(command)
  return command
}

beforeAll(async () => {
  await writeBundle(createFileBlobs(join(folder, 'tiny')), { model: exportSample(), manifest: sampleManifest })
  writeFileSync(join(folder, 'key.pem'), key)
  writeFileSync(join(folder, 'cert.pem'), cert)
})
afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGKILL')
    await ended
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Answered {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** Over HTTPS, whose certificate only this test trusts. */
function ask(
  { url, key }: Listening,
  path: string,
  method = 'GET',
  body = '',
  headers: Record<string, string> = {},
): Promise<Answered> {
  const authorization = key === undefined ? {} : { authorization: `Bearer ${key}` }
  const options = { method, ca: cert, headers: { ...authorization, ...headers }, agent: false as const }
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(path, url), options, (answer) => {
      let text = ''
      answer.on('data', (chunk) => {
        text += chunk
      })
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: text }))
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

const versions = async (listening: Listening): Promise<unknown> =>
  (JSON.parse((await ask(listening, '/v2/models/tiny')).body) as { versions?: unknown }).versions

test('HTTPS and CORS from the configuration, which is read again on demand; SIGTERM lets what runs finish', async () => {
  const origin = 'https://shop.example'
  const config = { port: 0, tls: { key: 'key.pem', cert: 'cert.pem' }, cors: [origin] }
  configure({ ...config, models: [{ model: './tiny' }] })
  const { child, ended, listening } = serve()
  const at = await listening
  expect(at).toMatchObject({ url: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/), access: 'run' })

  // Pages of that origin alone.
  const asking = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' }
  const allowed = await ask({ url: at.url, access: '' }, '/v2/models/tiny/infer', 'OPTIONS', '', { ...asking, origin })
  expect(allowed.status).toBe(204)
  expect(allowed.headers).toMatchObject({ 'access-control-allow-origin': origin })
  const infer = (headers = {}) => ask(at, '/v2/models/tiny/infer', 'POST', inferBody(1), headers)
  expect(await infer({ origin })).toMatchObject({ status: 200, headers: { 'access-control-allow-origin': origin } })
  const foreign = await infer({ origin: 'https://evil.example' })
  expect(foreign.headers['access-control-allow-origin']).toBeUndefined()

  // A second version comes; what cannot be read changes nothing.
  const reload = () => ask(at, '/admin/reload', 'POST')
  configure({ ...config, models: [{ model: './tiny' }, { model: './tiny' }] })
  expect(await reload()).toMatchObject({ status: 200, body: JSON.stringify({ loaded: ['tiny/2'], removed: [] }) })
  expect(await versions(at)).toEqual(['1', '2'])
  writeFileSync(join(folder, 'quern.serve.json'), '{ "modles": [] }')
  const reason = "the configuration cannot be used: quern.serve.json: unknown key 'modles'. Did you mean 'models'?"
  expect(await reload()).toMatchObject({ status: 422, body: JSON.stringify({ error: reason }) })
  configure({ ...config, models: [{ model: './nothing' }] })
  const missing = await reload()
  expect([missing.status, missing.body]).toEqual([422, expect.stringContaining('./nothing')])
  expect(await versions(at)).toEqual(['1', '2'])
  const refused = await ask({ ...at, key: 'wrong' }, '/admin/reload', 'POST', '', { origin })
  expect(refused).toMatchObject({ status: 401, headers: { 'access-control-allow-origin': origin } })

  // A request whose body is still on its way when the signal comes.
  const text = inferBody(2)
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(at.url).port), ca: cert })
  let answer = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    answer += chunk
  })
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  const headers = [`authorization: Bearer ${at.key}`, `content-length: ${text.length}`, 'host: x', '', '']
  socket.write(`POST /v2/models/tiny/infer HTTP/1.1\r\n${headers.join('\r\n')}${text.slice(0, 20)}`)
  await new Promise((resolve) => setTimeout(resolve, 300))
  child.kill('SIGTERM')
  while (
    await versions(at).then(
      () => true,
      () => false,
    )
  )
    await new Promise((resolve) => setTimeout(resolve, 20))
  socket.write(text.slice(20))
  await closed
  expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  expect(answer.toLowerCase()).toContain('connection: close')
  const { code, stdout } = await ended
  expect(code).toBe(0)
  expect(stdout.trim().split('\n').at(-1)).toBe(JSON.stringify({ type: 'stopped', reason: 'SIGTERM' }))
})

test('--public is announced, opens the models and nothing else; a taken port is said', async () => {
  configure({ port: 0, models: [{ model: './tiny' }] })
  const { child, ended, listening } = serve('--public')
  const { url, access, key } = await listening
  expect([access, key]).toEqual(['public', undefined])
  const infer = await fetch(`${url}/v2/models/tiny/infer`, { method: 'POST', body: inferBody(1) })
  expect(infer.status).toBe(200)
  expect((await fetch(`${url}/admin/reload`, { method: 'POST' })).status).toBe(403)
  const { port } = new URL(url)
  const second = await serve('--port', port).ended
  expect(second.code).toBe(1)
  expect(second.stderr).toContain(`port ${port} of 127.0.0.1 is taken`)
  child.kill('SIGTERM')
  const { code, stderr } = await ended
  expect(code).toBe(0)
  expect(stderr).toContain('--public: whoever reaches the server may use the models, without a key')
})
