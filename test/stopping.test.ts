/** The end of a server that computes: whatever a model is at, the process ends by itself or by the signal that it was sent, never by an abort of the runtime. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { writeBundle } from '../src/bundle/index.ts'
import {
  averagePooling2d,
  conv2d,
  dense,
  flatten,
  type Layer,
  rescaling,
  sequential,
  upSampling2d,
} from '../src/nn/index.ts'
import { createFileBlobs } from '../src/store/file-blobs.ts'
import { inferBody } from './live-server.ts'
import { exportSample, labels, sampleManifest } from './sample-bundle.ts'

const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
/** On a machine that does other things too. */
const timeout = 120_000
const folder = mkdtempSync(join(tmpdir(), 'quern-stopping-'))

/** A picture of 12 x 12 as one of 192 x 192 through `layers` convolutions, of which each is 0.04 to 0.1 s of one thread. */
function slowNetwork(layers: number): Layer {
  const convolution = (): Layer => conv2d({ filters: 64, kernelSize: 3, padding: 'same', activation: 'relu' })
  return sequential([
    rescaling({ scale: 1 / 255 }),
    upSampling2d({ size: 16 }),
    ...Array.from({ length: layers }, convolution),
    averagePooling2d({ poolSize: 192 }),
    flatten(),
    dense({ units: labels.length, activation: 'softmax' }),
  ])
}

beforeAll(async () => {
  for (const [name, layers] of [
    ['slow', 3],
    ['endless', 100],
  ] as const) {
    const model = exportSample(slowNetwork(layers))
    await writeBundle(createFileBlobs(join(folder, name)), { model, manifest: { ...sampleManifest, name } })
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const running: ChildProcess[] = []
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL')
})

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stderr: string
}

async function serve(
  model: string,
  drain: number,
): Promise<{ child: ChildProcess; url: string; ended: Promise<Ended> }> {
  const words = ['serve', '--json', '--public', '--port', '0', '--workers', '2', '--model', `./${model}`]
  const child = spawn(process.execPath, [program, ...words, '--drain', String(drain)], { cwd: folder })
  running.push(child)
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const ended = new Promise<Ended>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal, stderr })),
  )
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line).url))
    void ended.then((end) => reject(new Error(`it ended: ${end.stderr}`)))
  })
  return { child, url, ended }
}

/** Twenty requests on connections of their own, of `rows` examples each, when they are on their way. `statuses`: 0 where the connection was cut. */
async function askTwenty(url: string, model: string, rows: number): Promise<{ statuses: Promise<number[]> }> {
  const body = inferBody(1, rows)
  const agent = new Agent({ keepAlive: false })
  const answers: Promise<number>[] = []
  const sent: Promise<void>[] = []
  for (let i = 0; i < 20; i++) {
    const outgoing = request(`${url}/v2/models/${model}/infer`, { method: 'POST', agent })
    answers.push(
      new Promise((resolve) => {
        outgoing.on('response', (answer) => answer.resume().on('close', () => resolve(answer.statusCode ?? 0)))
        outgoing.on('error', () => resolve(0))
      }),
    )
    sent.push(new Promise((resolve) => outgoing.end(body, () => resolve())))
  }
  await Promise.all(sent)
  // Read, queued and begun.
  await new Promise((resolve) => setTimeout(resolve, 1000))
  return { statuses: Promise.all(answers) }
}

test('SIGTERM with twenty slow requests in flight: all are answered, and the process ends by itself', {
  timeout,
}, async () => {
  const { child, url, ended } = await serve('slow', 60)
  const { statuses } = await askTwenty(url, 'slow', 1)
  child.kill('SIGTERM')
  expect(await ended).toMatchObject({ code: 0, signal: null })
  expect(await statuses).toEqual(new Array(20).fill(200))
})

test('SIGTERM while models are loaded: the others are not waited for, and nobody is told that it listens', {
  timeout,
}, async () => {
  const names = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth']
  const models = names.map((name) => ({ name, model: './endless' }))
  writeFileSync(join(folder, 'many.json'), JSON.stringify({ models }))
  const words = ['serve', '--json', '--public', '--port', '0', '--workers', '1', '--config', 'many.json']
  const child = spawn(process.execPath, [program, ...words], { cwd: folder })
  running.push(child)
  let stdout = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)))
  await new Promise((resolve) => setTimeout(resolve, 3000))
  expect(stdout).toBe('')
  child.kill('SIGTERM')
  const start = performance.now()
  // By itself, or by the signal where the model that it is at takes longer than threads are given.
  expect([0, 'SIGTERM']).toContain(await ended)
  expect(performance.now() - start).toBeLessThan(10_000)
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).type),
  ).toEqual(['stopped'])
})

test('a second signal ends the process at once, by that signal', { timeout }, async () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { child, url, ended } = await serve('endless', 60)
    const { statuses } = await askTwenty(url, 'endless', 1)
    child.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 300))
    const start = performance.now()
    child.kill(signal)
    expect(await ended).toMatchObject({ code: null, signal })
    expect(performance.now() - start).toBeLessThan(5000)
    expect(await statuses).toEqual(new Array(20).fill(0))
  }
})

test('a run that outlasts the deadline of the drain is not waited for: it is said, and the signal ends the process', {
  timeout,
}, async () => {
  const { child, url, ended } = await serve('endless', 1)
  const { statuses } = await askTwenty(url, 'endless', 8)
  child.kill('SIGTERM')
  const start = performance.now()
  const { code, signal, stderr } = await ended
  expect([code, signal]).toEqual([null, 'SIGTERM'])
  // The deadline and the five seconds that a thread is given.
  expect(performance.now() - start).toBeLessThan(20_000)
  expect(stderr).toContain('20 request(s) did not finish within 1000 ms and are cut off')
  expect(stderr).toContain('a model computes longer than the server waits for it')
  expect(await statuses).toEqual(new Array(20).fill(0))
})
