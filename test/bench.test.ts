/** The benchmarks as commands: the table, the command line, one line of JSON. What they measure is not judged here. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readArguments } from '../bench/arguments.ts'
import { peerNames } from '../bench/compare-steps.ts'
import { records } from '../bench/index.ts'
import { root } from '../bench/machine.ts'
import { mnistSource } from '../bench/mnist.ts'
import { recipes } from '../bench/mnist-best.ts'
import { installTorch, peers } from '../bench/peers.ts'
import { operatorShares } from '../bench/profile.ts'
import { figureHolds } from '../bench/record.ts'
import { sizesOf } from '../bench/sizes.ts'
import { percentile, summary } from '../bench/statistics.ts'
import { resolveProject } from '../src/actions/project.ts'
import { loadIdxFolder } from '../src/data/idx-source.ts'

const folder = mkdtempSync(join(tmpdir(), 'quern-bench-test-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function bench(...words: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = ['--import', './scripts/typescript.mjs', 'bench/main.ts', ...words]
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8' })
  return { code: status, stdout, stderr }
}

describe('the table', () => {
  test('names are unique, and each is the name of its file', () => {
    const names = records.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names.filter((name) => !existsSync(join(root, 'bench', `${name}.ts`)))).toEqual([])
  })
  test('peers are known, options are described, figures have a row', () => {
    const page = readFileSync(join(root, 'docs/figures.md'), 'utf8')
    for (const { name, title, takes, needs, options } of records) {
      expect(needs.filter((peer) => !Object.hasOwn(peers, peer))).toEqual([])
      expect([title, takes, ...Object.values(options).map(({ summary }) => summary)]).not.toContain('')
      expect(page).toContain(`npm run bench -- ${name}`)
    }
  })
  test('the recipes of mnist-best are configurations of at most 12 epochs', () => {
    for (const recipe of Object.values(recipes)) {
      const raw = { task: 'image-classification', data: { source: '.' }, ...recipe }
      expect(resolveProject(raw, { root: '.', what: 'a recipe' }).config.train.epochs).toBeLessThanOrEqual(12)
    }
  })
  test('the page of the peers shows the line that errors show', () => {
    expect(readFileSync(join(root, 'bench/peers/README.md'), 'utf8')).toContain(installTorch)
  })
})

describe('arguments', () => {
  test('options may stand before and behind the name', () => {
    const command = readArguments(['--json', '--steps', '7', 'cnn-step', '--rounds=2'], records)
    expect(command).toMatchObject({ json: true, options: { steps: 7, rounds: 2, threads: 2 } })
    expect(command.record?.name).toBe('cnn-step')
    expect(command.changed).toEqual(['steps', 'rounds'])
  })
  test.each([
    [['kernels', '--rums', '3'], "unknown option '--rums'. Did you mean 'runs'?"],
    [['kernels', '--runs'], '--runs needs a value'],
    [['kernels', '--runs', 'many'], "must be a whole number, received 'many'"],
    [['mnist-best', '--recipe', 'cycel'], "Did you mean 'cycle'?"],
    [['kernels', 'import-time'], 'one benchmark at a time'],
    [['kernels', '--json=yes'], '--json takes no value'],
  ])('%j', (words, message) => {
    expect(() => readArguments(words, records)).toThrow(message)
  })
})

describe('peers', () => {
  test('are named by commas, and only those that a comparison has', () => {
    expect(peerNames('torch,jax', ['torch', 'jax'])).toEqual(['torch', 'jax'])
    expect(() => peerNames('torch,tensorflow', ['torch', 'jax'])).toThrow("--peers does not know 'tensorflow' here")
    expect(() => peerNames(',', ['torch'])).toThrow('--peers needs one of torch')
  })
})

describe('figures', () => {
  test('medians, percentiles and what holds', () => {
    expect(summary([3, 1, 2, 10])).toEqual({ median: 2.5, min: 1, max: 10 })
    expect([percentile([4, 1, 3, 2], 0.5), percentile([1, 2, 3], 0.99), percentile([5], 0)]).toEqual([2, 3, 5])
    expect(figureHolds({ value: 3.6, floor: 3.5 })).toBe(true)
    expect(figureHolds({ value: 0.5, floor: 0.4, better: 'lower' })).toBe(false)
    expect(figureHolds({ value: 1, floor: 0, holds: false })).toBe(false)
    expect(figureHolds({ value: Number.NaN })).toBe(false)
  })
  test('a profile adds up the medians of nodes by operator', () => {
    const node = (name: string, op: string, ...durations: number[]) =>
      durations.map((dur) => ({ cat: 'Node', name: `${name}_kernel_time`, dur, args: { op_name: op } }))
    const events = [
      ...node('a', 'Conv', 9000, 1000, 2000), // the first run is the slow one
      ...node('b', 'Conv', 1000, 1000, 1000),
      ...node('c', 'Add', 1000, 1000, 1000),
      { cat: 'Session', name: 'model_run', dur: 9000 },
    ]
    expect(operatorShares(events)).toEqual([
      { operator: 'Conv', nodes: 2, milliseconds: 3, share: 0.75 },
      { operator: 'Add', nodes: 1, milliseconds: 1, share: 0.25 },
    ])
  })
  test('sizes are as many whole numbers as the example has', () => {
    expect(sizesOf('2,256', '1,1')).toEqual([2, 256])
    for (const text of ['2', '2,0', '2,x', '2,3,4', ''])
      expect(() => sizesOf(text, '1,1')).toThrow('2 numbers such as 1,1')
  })
  test('a trial trains on the first examples, and without test files nothing can be chosen by them', async () => {
    const { splits } = await loadIdxFolder(await mnistSource(join(folder, 'both'), { examples: 30, test: true }))
    expect([splits?.train?.length, splits?.test?.length]).toEqual([30, 5])
    const chosen = await loadIdxFolder(await mnistSource(join(folder, 'train'), { examples: 12, test: false }))
    expect(Object.keys(chosen.splits ?? {})).toEqual(['train'])
  })
})

describe('npm run bench', () => {
  test('--list names every benchmark', () => {
    const { code, stdout } = bench('--list')
    expect(code).toBe(0)
    for (const { name, title } of records) expect(stdout).toContain(`${name.padEnd(16)} ${title}`)
  })
  test('an unknown name is answered with the nearest', () => {
    const { code, stdout, stderr } = bench('kernel')
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain("unknown benchmark 'kernel'. Did you mean 'kernels'?")
  })
  test('--json prints one object on one line', () => {
    const { code, stdout } = bench('kernels', '--runs', '3', '--json')
    expect(code).toBe(0)
    expect(stdout.trimEnd().split('\n')).toHaveLength(1)
    expect(JSON.parse(stdout)).toMatchObject({
      name: 'kernels',
      unit: 'ms',
      value: expect.any(Number),
      ratio: expect.any(Number),
      holds: true,
      changed: ['runs'],
      versions: { node: process.versions.node, onnxruntime: expect.any(String), quern: expect.any(String) },
      machine: { cores: expect.any(Number), cpu: expect.any(String) },
      load: expect.any(Number),
    })
  })
})
