/** What only a process of its own shows: signals, closed pipes, exit codes. */
import type { ChildProcess } from 'node:child_process'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { quern, spawnQuern } from '../../test/command-line.ts'
import { mnistFile } from '../../test/mnist-files.ts'

const patience = 120_000
let cwd = ''
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'quern-main-'))
  // The small test files, under the names of training files: reading them takes no time.
  for (const kind of ['images-idx3-ubyte', 'labels-idx1-ubyte'] as const) {
    await cp(mnistFile(`t10k-${kind}`), join(cwd, 'data', `train-${kind}`))
  }
  const config = {
    task: 'image-classification',
    name: 'digits',
    data: { source: './data' },
    model: 'mlp',
    train: { epochs: 500 },
  }
  await writeFile(join(cwd, 'quern.config.json'), JSON.stringify(config))
})
afterAll(() => rm(cwd, { recursive: true }))

interface Watched {
  readonly child: ChildProcess
  /** resolves when stdout holds the text */
  saw(text: string): Promise<void>
  readonly ended: Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>
}

function watch(child: ChildProcess): Watched {
  let [stdout, stderr] = ['', '']
  const waiting: { text: string; resolve: () => void }[] = []
  child.stdout!.on('data', (chunk) => {
    stdout += chunk
    for (const { text, resolve } of waiting) if (stdout.includes(text)) resolve()
  })
  child.stderr!.on('data', (chunk) => {
    stderr += chunk
  })
  const ended = new Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>(
    (resolve) => {
      child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
    },
  )
  const saw = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      if (stdout.includes(text)) resolve()
      waiting.push({ text, resolve })
      void ended.then(() => reject(new Error(`ended without '${text}':\n${stdout}\n${stderr}`)))
    })
  return { child, saw, ended }
}

describe.skipIf(process.platform === 'win32')('signals', () => {
  test('the first Ctrl-C saves and says how to resume, and the run goes on from there', {
    timeout: patience,
  }, async () => {
    const { child, saw, ended } = watch(spawnQuern(['train', '--json'], cwd))
    await saw('"type":"step"')
    child.kill('SIGINT')
    const { code, stdout, stderr } = await ended
    expect(code).toBe(130)
    expect(stderr).toContain('stopping after this step and saving a checkpoint')
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(events.at(-1)).toMatchObject({ type: 'result', state: 'interrupted' })
    const steps = events.find(({ type }) => type === 'done').steps
    const id = events.at(-1).run

    const list = JSON.parse((await quern(['runs', '--json'], { cwd })).stdout)
    expect(list[0]).toMatchObject({ id, state: 'interrupted', step: steps })

    const again = watch(spawnQuern(['train', '--resume'], cwd))
    await again.saw(`going on after step ${steps.toLocaleString('en-US')}`)
    again.child.kill('SIGTERM')
    const second = await again.ended
    expect(second.code).toBe(143)
    expect(second.stdout).toContain(`quern train --resume ${id}`)
  })

  test('the second Ctrl-C ends at once, and the run reads as interrupted', { timeout: patience }, async () => {
    const { child, saw, ended } = watch(spawnQuern(['train', '--json'], cwd))
    await saw('"type":"step"')
    child.kill('SIGINT')
    child.kill('SIGINT')
    await new Promise((resolve) => setTimeout(resolve, 5))
    child.kill('SIGINT')
    // By the signal itself, which a shell reads as 130.
    const { code, signal } = await ended
    expect([code, signal]).toEqual([null, 'SIGINT'])
    expect(JSON.parse((await quern(['runs', '--json'], { cwd })).stdout)[0].state).toBe('interrupted')
  })

  test('a reader that goes away stops the training in good order', { timeout: patience }, async () => {
    const { child, saw, ended } = watch(spawnQuern(['train', '--json'], cwd))
    await saw('"type":"step"')
    child.stdout!.destroy()
    const { code, stderr } = await ended
    expect(code).toBe(141)
    expect(stderr).not.toContain('EPIPE')
    expect(JSON.parse((await quern(['runs', '--json'], { cwd })).stdout)[0].state).toBe('interrupted')
  })

  test('a reader that has seen enough of a result is no failure', { timeout: patience }, async () => {
    const { child, ended } = watch(spawnQuern(['runs', '--json'], cwd))
    child.stdout!.destroy()
    expect(await ended).toMatchObject({ code: 0, stderr: '' })
  })
})

test('exit codes of a process', { timeout: patience }, async () => {
  expect((await watch(spawnQuern(['--version'], cwd)).ended).code).toBe(0)
  expect((await watch(spawnQuern(['runs', 'none'], cwd)).ended).code).toBe(1)
  expect((await watch(spawnQuern(['tran'], cwd)).ended).code).toBe(2)
})
