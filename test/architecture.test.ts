/** Holds the code to ARCHITECTURE.md: one direction of imports, one owner a library, no hidden outside world. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { importCycles, lengthFaults, levelFaults, median, outsideFaults, packageFaults } from './architecture/judge.ts'
import { anchorOf, linkFaults } from './architecture/links.ts'
import { levels, medianFile, outsideNames, tables } from './architecture/rules.ts'
import { filesBelow, readText, root, type SourceFile, scanFile } from './architecture/scan.ts'

const globals = new Set(Object.keys(outsideNames))
/** AssemblyScript looks like TypeScript and is another language. */
const isKernel = (path: string) => /^src\/.*\/assembly\//.test(path)
const sources = filesBelow('src', '.ts')
  .filter((path) => !isKernel(path))
  .map((path) => scanFile(path, globals))
/** Without what programs wrote. */
const written = sources.filter(({ path }) => !path.includes('/generated/'))
const others = ['test', 'bench', 'scripts'].flatMap((folder) =>
  ['.ts', '.mjs'].flatMap((suffix) => filesBelow(folder, suffix).map((path) => scanFile(path, globals))),
)
const folders = readdirSync(join(root, 'src'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)

describe('imports', () => {
  test('a file imports its own folder and lower levels only', () => {
    expect(sources.flatMap(levelFaults)).toEqual([])
  })
  test('there is no import cycle', () => {
    expect(importCycles(sources).map((cycle) => cycle.join(' -> '))).toEqual([])
  })
  test('every package has one owner', () => {
    expect(sources.flatMap(packageFaults)).toEqual([])
  })
  test('files, sockets, clock, randomness and console stay at the edge', () => {
    expect(written.flatMap(outsideFaults)).toEqual([])
  })
})

describe('size', () => {
  test('no file is too long', () => {
    expect([...written, ...others].flatMap(lengthFaults)).toEqual([])
  })
  test(`the median file has fewer than ${medianFile} lines`, () => {
    expect(median(written.map(({ lines }) => lines))).toBeLessThan(medianFile)
  })
  test('every listed table exists', () => {
    const paths = new Set(sources.map(({ path }) => path))
    expect(tables.filter((path) => !paths.has(path))).toEqual([])
  })
})

describe('pages', () => {
  test('every folder of src/ has a line in the tree of README.md', () => {
    const readme = readText('README.md')
    const missing = folders.filter((folder) => !new RegExp(`^[\\s│├└─|]*${folder}/\\s+\\S`, 'm').test(readme))
    expect(missing.map((folder) => `README.md: the tree has no line for src/${folder}/. Say what it holds.`)).toEqual(
      [],
    )
  })
  test('every folder of src/ has a level', () => {
    expect(folders.filter((folder) => levels[folder] === undefined)).toEqual([])
  })
  test('links lead somewhere', () => {
    const pages = readdirSync(root).filter((name) => name.endsWith('.md'))
    expect([...pages, ...filesBelow('docs', '.md')].flatMap(linkFaults)).toEqual([])
  })
})

/** A rule that never fires protects nothing: each is shown a file that breaks it. */
describe('the rules catch', () => {
  const scan = (path: string, text: string): SourceFile => scanFile(path, globals, text)

  test.each([
    [
      'src/core/x.ts',
      "import { a } from '../graph/graph.ts'",
      'src/core/x.ts:1 core (level 0) imports graph (level 1)',
    ],
    ['src/nn/x.ts', "\nexport * from '../data/batches.ts'", 'src/nn/x.ts:2 nn (level 5) imports data (level 5)'],
    ['src/nn/x.ts', "const late = await import('../cli/main.ts')", 'imports cli (level 11)'],
    ['src/nn/x.ts', "export type A = import('../train/loop.ts').A", 'imports train (level 6)'],
    ['src/nn/x.ts', "import { a } from '../core/shape'", "Write the ending: '.ts'"],
    ['src/nn/x.ts', "import { a } from '../index.ts'", 'imports an entry (level 12)'],
    ['src/newcomer/x.ts', '', 'src/newcomer/ has no level'],
  ])('%s: %s', (path, text, fault) => {
    expect(levelFaults(scan(path, text)).join('\n')).toContain(fault)
  })

  test.each([
    [
      'src/train/x.ts',
      "import * as ort from 'onnxruntime-node'",
      'only src/runtime/onnxruntime-node.ts, src/runtime/onnxruntime-binding.ts may',
    ],
    ['src/bundle/x.ts', "import sharp from 'sharp'", 'only src/data/ may'],
    ['src/core/x.ts', "import chalk from 'chalk'", 'which has no owner'],
    ['src/core/x.ts', "import { readFileSync } from 'fs'", "Node's own modules are written 'node:x'"],
  ])('%s: %s', (path, text, fault) => {
    expect(packageFaults(scan(path, text)).join('\n')).toContain(fault)
  })

  test.each([
    ["import { readFile } from 'node:fs/promises'", "imports 'node:fs/promises'"],
    ["console.log('hello')", 'uses console'],
    ['const t = Date.now()', 'uses Date.now'],
    ['const t = new Date()', 'uses Date.now'],
    ['const home = process.env.HOME', 'uses process'],
    ['const x = globalThis.process', 'uses process'],
    ['const x = Math.random()', 'uses Math.random'],
  ])('%s', (text, fault) => {
    expect(outsideFaults(scan('src/train/x.ts', text)).join('\n')).toContain(fault)
    expect(outsideFaults(scan('src/cli/x.ts', text))).toEqual([])
  })

  test('tests may use temporary files, not chance', () => {
    const text = "import { tmpdir } from 'node:os'\nconst x = Math.random()"
    expect(outsideFaults(scan('src/train/x.test.ts', text)).join()).toMatch(
      /^src\/train\/x\.test\.ts:2 uses Math\.random/,
    )
  })

  test.each([
    "// console.log('in a comment')",
    "const text = 'Date.now()'",
    'export function run(process: () => void): void { process() }',
    'const x = { process: 1, fetch: 2 }; export const y = x.process + x.fetch',
    'const day = new Date(0)',
    'const angle = Math.cos(1)',
  ])('nothing in: %s', (text) => {
    expect(outsideFaults(scan('src/train/x.ts', text))).toEqual([])
  })

  test('cycles at run time, and not those of types', () => {
    const a = scan('src/core/a.ts', "import { b } from './b.ts'")
    const b = scan('src/core/b.ts', "import { c } from './c.ts'")
    const c = scan('src/core/c.ts', "import { a } from './a.ts'")
    const typed = scan('src/core/c.ts', "import type { A } from './a.ts'")
    expect(importCycles([a, b, c])).toEqual([['src/core/a.ts', 'src/core/b.ts', 'src/core/c.ts', 'src/core/a.ts']])
    expect(importCycles([a, b, typed])).toEqual([])
  })

  test('long files', () => {
    expect(lengthFaults(scan('src/core/a.ts', 'x\n'.repeat(401))).join()).toContain('has 401 lines, 400 are allowed')
    expect(lengthFaults(scan('src/core/a.ts', 'x\n'.repeat(400)))).toEqual([])
  })

  test('anchors as GitHub makes them', () => {
    expect(anchorOf('1. The idea, in five `sentences`')).toBe('1-the-idea-in-five-sentences')
  })
})
