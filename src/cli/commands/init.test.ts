import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { quern } from '../../../test/command-line.ts'

let cwd: string
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'quern-init-'))
  await writeFile(join(cwd, 'rows.csv'), 'a b,n,tags\nx,1,p;q\ny,2,q\nx,3,p\n')
  await writeFile(join(cwd, 'shop.db'), '')
})
afterAll(() => rm(cwd, { recursive: true, force: true }))

const config = (folder: string): Promise<string> => readFile(join(cwd, folder, 'quern.config.ts'), 'utf8')

describe('init of a table', () => {
  test('with source and target is whole: what is typed from here is found from there', async () => {
    const { code, stdout } = await quern(
      ['init', 'deep/one', '--task', 'tabular-classification', '--source', 'rows.csv', '--target', 'a b'],
      { cwd },
    )
    expect(code).toBe(0)
    expect(stdout).toContain('Next:\n  cd deep/one\n')
    expect(await config('deep/one')).toContain("source: '../../rows.csv'")
    expect(await config('deep/one')).toContain("target: 'a b'")
    const resolved = await quern(['config', '--json'], { cwd: join(cwd, 'deep/one') })
    expect(JSON.parse(resolved.stdout)).toMatchObject({ config: { data: { source: '../../rows.csv', target: 'a b' } } })
    expect(await readFile(join(cwd, 'deep/one/README.md'), 'utf8')).toContain("its target 'a b'. Then:")
  })

  test.each([
    ['sqlite:shop.db', 'sqlite:../shop.db'],
    ['postgres://me@host/shop', 'postgres://me@host/shop'],
    ['later.csv', 'later.csv'],
    ['sub/own.csv', '../sub/own.csv'],
  ])('writes the source %s as %s', async (typed, written) => {
    await mkdir(join(cwd, 'sub'), { recursive: true })
    await writeFile(join(cwd, 'sub/own.csv'), 'a,b\n')
    const folder = `of-${typed.replaceAll(/\W/g, '')}`
    const { code, stdout } = await quern(['init', folder, '--task', 'tabular-regression', '--source', typed], { cwd })
    expect(code).toBe(0)
    expect(stdout.includes('later.csv is not there yet: the configuration names it from of-latercsv')).toBe(
      typed === 'later.csv',
    )
    expect(await config(folder)).toContain(`source: '${written}'`)
  })

  test('whose data lies in the project already leaves the path alone', async () => {
    await mkdir(join(cwd, 'has'), { recursive: true })
    await writeFile(join(cwd, 'has/rows.csv'), 'a,b\n')
    await quern(['init', 'has', '--task', 'tabular-regression', '--source', 'rows.csv'], { cwd })
    expect(await config('has')).toContain("source: 'rows.csv'")
  })

  test('of labels says that the target holds sets, whatever its name', async () => {
    const args = ['--task', 'tabular-multilabel', '--source', 'rows.csv']
    await quern(['init', 'm1', ...args, '--target', 'tags'], { cwd })
    expect(await config('m1')).toContain("columns: { tags: 'set' }")
    await quern(['init', 'm2', ...args, '--target', 'all tags'], { cwd })
    expect(await config('m2')).toContain("columns: { 'all tags': 'set' }")
  })
})
