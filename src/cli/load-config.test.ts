import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { QuernError } from '../core/errors.ts'
import { sequential } from '../nn/index.ts'
import { findConfig, loadConfig } from './load-config.ts'

let root = ''
let folders = 0
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-config-'))
})
afterAll(() => rm(root, { recursive: true }))

async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const path = join(root, String(folders++))
  await mkdir(path)
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
  return path
}

async function load(name: string, text: string): Promise<unknown> {
  return loadConfig(join(await folder({ [name]: text }), name))
}

test.each(['quern.config.ts', 'quern.config.js', 'quern.config.mjs', 'quern.config.json'])('finds %s', async (name) => {
  const cwd = await folder({ [name]: '{}' })
  expect(await findConfig(cwd)).toBe(join(cwd, name))
  expect(await findConfig(root, cwd)).toBe(join(cwd, name))
  expect(await findConfig(cwd, name)).toBe(join(cwd, name))
})

test('several are refused, since one would be taken in silence', async () => {
  const cwd = await folder({ 'quern.config.ts': '', 'quern.config.json': '' })
  await expect(findConfig(cwd)).rejects.toMatchObject({
    kind: 'config',
    message: expect.stringContaining('quern.config.ts, quern.config.json'),
  })
})

test('a misspelt --config names the nearest file', async () => {
  const cwd = await folder({ 'quern.config.ts': '' })
  await expect(findConfig(cwd, 'quern.confg.ts')).rejects.toMatchObject({
    kind: 'config',
    hint: "Did you mean 'quern.config.ts'?",
  })
  await writeFile(join(cwd, 'notes.txt'), '')
  await expect(findConfig(cwd, 'notes.txt')).rejects.toMatchObject({ kind: 'config' })
})

test('TypeScript, with this package under its name, the same that runs', async () => {
  const text = `
    import { defineProject, QuernError } from 'quern'
    import { dense, flatten, sequential } from 'quern/nn'
    import { epochs } from './epochs.ts'
    const size: number = 10 satisfies number
    export default { ...defineProject({ task: 'image-classification', data: { source: 'x' }, train: { epochs },
      model: sequential([flatten(), dense({ units: size })]) }), error: QuernError, sequential }`
  const cwd = await folder({ 'quern.config.ts': text, 'epochs.ts': 'export const epochs: number = 7' })
  expect(await loadConfig(join(cwd, 'quern.config.ts'))).toMatchObject({
    task: 'image-classification',
    train: { epochs: 7 },
    error: QuernError,
    sequential,
  })
})

test('JavaScript and JSON', async () => {
  expect(await load('quern.config.mjs', 'export default { a: 1 }')).toEqual({ a: 1 })
  expect(await load('quern.config.js', 'export default { a: 2 }')).toEqual({ a: 2 })
  expect(await load('quern.config.json', '{ "a": 3 }')).toEqual({ a: 3 })
})

test('a file that changed is read again', async () => {
  const cwd = await folder({ 'quern.config.ts': 'export default { a: 1 }' })
  const path = join(cwd, 'quern.config.ts')
  await loadConfig(path)
  await writeFile(path, 'export default { a: 2 }')
  expect(await loadConfig(path)).toEqual({ a: 2 })
})

test.each([
  ['a.ts', 'export default {\n  a: {{\n}', /a\.ts:2: Unexpected token$/, ''],
  ['b.ts', '\n\nconst a: any = undefined\nexport default a.b', /b\.ts:4: Cannot read properties of undefined/, ''],
  [
    'c.ts',
    "const a = 1\nimport b from './nope.ts'\nexport default [a, b]",
    /c\.ts:2 imports '\.\/nope\.ts'/,
    'Check the path.',
  ],
  ['d.ts', "import b from 'left-pad'\nexport default b", /d\.ts:1 imports 'left-pad'/, 'npm install left-pad'],
  ['e.ts', "import { dens } from 'quern/nn'\nexport default dens()", /e\.ts:2: dens is not a function$/, ''],
  ['f.ts', "import { dense } from 'quern/nn'\nexport default dense({ unit: 1 } as never)", /f\.ts(:2)?: .*unit/, ''],
  ['g.mjs', 'export default (', /g\.mjs:1: Unexpected token/, ''],
  ['h.json', '{\n  "a": 1,\n}\n', /h\.json:3 is not valid JSON/, ''],
  ['i.json', '', /i\.json is not valid JSON/, ''],
])('%s: what is wrong, with file and line', async (name, text, message, hint) => {
  const error = (await load(name, text).catch((reason: unknown) => reason)) as QuernError
  expect(error).toBeInstanceOf(QuernError)
  expect(error.kind).toBe('config')
  expect(error.message).toMatch(message)
  expect(error.hint ?? '').toContain(hint)
})
