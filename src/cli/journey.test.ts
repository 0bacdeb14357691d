/** A user's way through all commands, with pictures of this test's own, in this process. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ended, quern, type WorldOptions } from '../../test/command-line.ts'

let root = ''
let cwd = ''

/** Bright pictures of one class, dark ones of the other: a network learns that in no time. */
async function picture(isBright: boolean, seed: number): Promise<Uint8Array> {
  const value = (i: number): number => (isBright ? 200 : 20) + ((i * 31 + seed * 17) % 40)
  const data = Uint8Array.from({ length: 12 * 12 }, (_, i) => value(i))
  return sharp(data, { raw: { width: 12, height: 12, channels: 1 } })
    .png()
    .toBuffer()
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-journey-'))
  cwd = join(root, 'lamps')
  for (const [label, isBright] of [
    ['on', true],
    ['off', false],
  ] as const) {
    await mkdir(join(cwd, 'photos', label), { recursive: true })
    for (let i = 0; i < 30; i++) await writeFile(join(cwd, 'photos', label, `${i}.png`), await picture(isBright, i))
  }
})
afterAll(() => rm(root, { recursive: true }))

const run = (...argv: string[]): Promise<Ended> => quern(argv, { cwd })
const runWith = (options: WorldOptions, ...argv: string[]): Promise<Ended> => quern(argv, { cwd, ...options })

async function json(...argv: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await run(...argv, '--json')
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout)
}

const lines = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

describe.sequential('journey', () => {
  test('init writes a project and replaces nothing', async () => {
    const { code, stdout } = await run('init')
    expect(code).toBe(0)
    expect(stdout).toContain('wrote quern.config.ts')
    expect(stdout).toContain('npx quern train')
    expect(await readFile(join(cwd, 'quern.config.ts'), 'utf8')).toContain("name: 'lamps'")
    const again = await run('init')
    expect(again.code).toBe(2)
    expect(again.stderr).toContain('already has quern.config.ts')
    expect(await quern(['init', 'other', '--json'], { cwd: root })).toMatchObject({ code: 0 })
    expect(await quern(['init', 'third', '--target', 'x'], { cwd: root })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("pictures have labels and no target: leave out '--target'"),
    })
    expect((await run('init', 'x', '--task', 'image-clasification')).stderr).toContain(
      "Did you mean 'image-classification'?",
    )
  })

  test('config checks, and prints every default', async () => {
    const config = `
      import { defineProject } from 'quern'
      export default defineProject({ task: 'image-classification', name: 'lamps', model: 'mlp',
        data: { source: './photos', image: { height: 12, width: 12, channels: 1 }, split: { validation: 0.2, test: 0.2 } },
        train: { epochs: 3, batchSize: 6 } })`
    await writeFile(join(cwd, 'quern.config.ts'), config)
    expect(await json('config', '--resolved')).toMatchObject({ seed: 0, device: 'cpu', train: { epochs: 3, l2: 0 } })
    expect(await json('config')).toMatchObject({ file: join(cwd, 'quern.config.ts'), config: { model: 'mlp' } })
    await writeFile(join(cwd, 'wrong.ts'), config.replace('epochs: 3', 'epoch: 3').replace('source', 'sorce'))
    const { code, stderr } = await run('train', '--config', 'wrong.ts')
    expect(code).toBe(2)
    expect(stderr).toContain("unknown key 'train.epoch'. Did you mean 'epochs'?")
    expect(stderr).toContain("unknown key 'data.sorce'. Did you mean 'source'?")
  })

  test('inspect', async () => {
    expect(await json('inspect')).toMatchObject({ kind: 'images', examples: 60, labels: ['off', 'on'] })
    const { stdout } = await run('inspect')
    expect(stdout).toContain('60 pictures of 12 x 12, grey, 2 classes')
    expect(stdout).toMatch(/^off +18 +6 +6 +50\.0 %$/m)
  })

  test('train --find-lr: a suggestion, a plot, no run', async () => {
    const { code, stdout, stderr } = await run('train', '--find-lr')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^configured +1e-3$/m)
    expect(stdout).toMatch(/^steepest +[\d.]+e-\d$|^the loss never fell/m)
    expect(await readFile(join(cwd, '.quern/learning-rate.svg'), 'utf8')).toMatch(
      /^<svg [\s\S]*smoothed[\s\S]*<\/svg>\n$/,
    )
    const [found] = lines((await run('train', '--find-lr', '--json')).stdout)
    expect(found).toMatchObject({ type: 'learning-rate', configured: 0.001, plot: '.quern/learning-rate.svg' })
    expect((await run('train', '--find-lr', '--resume')).stderr).toContain('--find-lr and --resume cannot be combined')
    expect(await json('runs')).toEqual([])
  })

  test('what needs a model says how to get one', async () => {
    expect((await run('predict', 'photos/on/1.png')).stderr).toContain('there are no runs yet\nStart one: quern train')
    expect((await run('runs')).stdout).toBe('no runs yet: start one with `quern train`\n')
    expect(await json('runs')).toEqual([])
  })

  test('train: events as lines of JSON, a bundle and a report', async () => {
    const { code, stdout, stderr } = await run('train', '--json')
    expect([code, stderr]).toEqual([0, ''])
    const events = lines(stdout)
    expect([...new Set(events.map(({ type }) => type))]).toEqual([
      'data',
      'run',
      'started',
      'step',
      'epoch',
      'checkpoint',
      'done',
      'result',
    ])
    const result = events.at(-1)!
    expect(result).toMatchObject({ state: 'finished', scores: { test: { accuracy: expect.any(Number) } } })
    expect(await readFile(join(cwd, String(result.report)), 'utf8')).toContain('<html')
    expect(JSON.parse(await readFile(join(cwd, String(result.bundle), 'quern.json'), 'utf8')).name).toBe('lamps')
  })

  test('train: lines for people', async () => {
    const { stdout, stderr } = await run('train')
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^data {3}36 train, .*; 2 classes\nrun {4}\d{8}-\d{6}-lamps/)
    expect(stdout).toMatch(/^epoch 3\/3 {2}\d+:\d\d {2}loss [\d.]+ {2}accuracy [\d.]+ {2}\| {2}validation loss/m)
    expect(stdout).toMatch(/^model {3}.*bundle$/m)
    const coloured = await runWith({ columns: 100 }, 'train')
    expect(coloured.stderr).toContain('\r\u001b[2K')
    expect((await runWith({ columns: 100, env: { NO_COLOR: '1' } }, 'train')).stdout).not.toContain('\u001b')
  })

  test('an interrupted training says how to go on, and goes on', async () => {
    let stopped = 0
    const onRunning: WorldOptions['onRunning'] = (stop) => {
      if (stopped++ === 0) setImmediate(() => stop('SIGINT'))
    }
    const stop = await runWith({ onRunning }, 'train', '--config', 'quern.config.ts')
    expect(stop.code).toBe(130)
    expect(stop.stderr).toContain('stopping after this step')
    const id = /quern train --resume (\S+) --config quern\.config\.ts$/m.exec(stop.stdout)?.[1]
    if (id === undefined) {
      // The signal came while pictures were read: no run had begun.
      expect(stop.stderr).toContain('nothing to resume')
      return
    }
    const events = lines((await run('train', '--resume', id, '--json')).stdout)
    expect(events.find(({ type }) => type === 'run')).toMatchObject({ id })
    expect(events.find(({ type }) => type === 'started')).toHaveProperty('resumedAt')
    expect(events.at(-1)).toMatchObject({ type: 'result', state: 'finished' })
  })

  test('evaluate', async () => {
    const result = (await json('evaluate', '--split', 'validation')) as { report: unknown; files: { html: string } }
    expect(result).toMatchObject({ split: 'validation', report: { examples: 12, classes: ['off', 'on'] } })
    expect(await readFile(result.files.html, 'utf8')).toContain('<html')
    expect((await run('evaluate')).stdout).toMatch(/^accuracy [\d.]+ on 12 test examples/)
  })

  test('predict: one picture, a folder, stdin', async () => {
    const one = (await json('predict', 'photos/on/1.png', '--top', '1')) as { predictions: unknown[] }[]
    expect(one).toMatchObject([
      { input: 'photos/on/1.png', predictions: [{ label: expect.any(String), score: expect.any(Number) }] },
    ])
    expect(await json('predict', 'photos')).toHaveLength(60)
    expect((await run('predict', 'photos/on/1.png')).stdout).toMatch(/^o(n|ff) +0\.\d{4}\no(n|ff) /)
    const piped = await runWith(
      { stdin: [await readFile(join(cwd, 'photos/on/1.png'))] },
      'predict',
      '-',
      '--json',
      '--top',
      '1',
    )
    expect(JSON.parse(piped.stdout)).toEqual([{ ...one[0], input: 'stdin' }])
  })

  test('predict: a picture that is none does not stop the others', async () => {
    await writeFile(join(cwd, 'bad.png'), '')
    const { code, stdout, stderr } = await run('predict', 'photos/on/1.png', 'bad.png', 'photos/off/1.png')
    expect(code).toBe(1)
    expect(stdout.trim().split('\n')).toHaveLength(3)
    expect(stderr).toContain('1 of 3 inputs could not be used')
    const asJson = await run('predict', 'bad.png', '--json')
    expect(asJson.code).toBe(1)
    expect(JSON.parse(asJson.stdout)).toEqual([{ input: 'bad.png', error: expect.any(String) }])
    const missing = await run('predict', 'photos/on/l.png')
    expect([missing.code, missing.stdout]).toEqual([1, ''])
    expect(missing.stderr).toContain("Did you mean '")
  })

  test('predict: a table without rows is said to be one', async () => {
    await writeFile(join(cwd, 'none.csv'), 'a,b\n')
    const { code, stdout, stderr } = await run('predict', 'none.csv')
    expect([code, stdout]).toEqual([0, ''])
    expect(stderr).toContain('there is nothing to answer for in none.csv')
    expect(await json('predict', 'none.csv')).toEqual([])
  })

  test('export: every form, and not over other files', async () => {
    const beside = [{ path: 'model/README.md' }, { path: 'model/profile.json' }]
    for (const target of ['bundle', 'zip', 'onnx', 'safetensors']) {
      expect(await json('export', '--target', target)).toMatchObject({
        target,
        files: [{ bytes: expect.any(Number) }, ...(target === 'bundle' ? beside : [])],
      })
    }
    const predictions = await json('predict', 'photos/on/1.png')
    for (const model of ['model', './model', 'model.zip']) {
      expect(await json('predict', 'photos/on/1.png', '--model', model)).toEqual(predictions)
    }
    const { code, stderr } = await run('export', '--out', '.')
    expect(code).toBe(2)
    expect(stderr).toContain('holds other files')
  })

  test('runs', async () => {
    const list = (await json('runs')) as { id: string }[]
    expect(list[0]).toMatchObject({ state: 'finished', name: 'lamps', epochs: 3 })
    expect(await json('runs', 'latest')).toMatchObject({ status: { id: list[0]!.id }, config: { seed: 0 } })
    expect((await run('runs')).stdout).toMatch(/^run +state +started/)
    expect((await run('runs', list[0]!.id)).stdout).toContain('validation accuracy')
    // Runs of the same second have names that begin alike.
    const beginnings = list.map(({ id }) => id.slice(0, -1))
    const unique = beginnings.find((text) => list.filter(({ id }) => id.startsWith(text)).length === 1)
    expect((await run('runs', unique!)).code).toBe(0)
  })

  test('serve answers until it is stopped', async () => {
    let stop: ((reason: 'SIGTERM') => void) | undefined
    const onRunning: WorldOptions['onRunning'] = (given) => {
      stop = given
    }
    // Stopped before, it would not wait for its models.
    const onOutput = (text: string): void => {
      if (text.includes('listening')) stop?.('SIGTERM')
    }
    const ended = runWith({ onRunning, onOutput }, 'serve', '--port', '0', '--json')
    const { code, stdout } = await ended
    expect(code).toBe(0)
    expect(lines(stdout)).toMatchObject([
      {
        type: 'listening',
        url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
        models: [{ name: 'lamps', version: '1' }],
        access: 'run',
        key: expect.stringMatching(/^qk_/),
      },
      { type: 'stopped', reason: 'SIGTERM' },
    ])
  })
})
