import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { quern } from '../../test/command-line.ts'
import type { Services } from '../actions/services.ts'
import { commands } from './commands/index.ts'

let cwd = ''
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'quern-cli-'))
})
afterAll(() => rm(cwd, { recursive: true }))

const coloured = '\u001b'

describe('help', () => {
  test('lists every command, on stdout', async () => {
    const { code, stdout, stderr } = await quern(['--help'])
    expect([code, stderr]).toEqual([0, ''])
    // Long summaries are broken into lines.
    const text = stdout.replaceAll(/\s+/g, ' ')
    for (const { name, summary } of commands) {
      expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
      expect(text).toContain(summary)
    }
    expect(stdout).toContain('--json')
  })

  test.each(commands.map(({ name }) => name))('of %s has its options and an example', async (name) => {
    for (const argv of [
      [name, '--help'],
      ['help', name],
    ]) {
      const { code, stdout } = await quern(argv)
      expect(code).toBe(0)
      expect(stdout).toContain(`quern ${name}`)
      expect(stdout).toMatch(/Examples:\n {2}\$ quern/)
    }
  })

  test('without a command it goes to stderr: nothing was done', async () => {
    const { code, stdout, stderr } = await quern([])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('Usage: quern')
  })

  test('the version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(await quern(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })
})

describe('a wrong command line ends with 2 and says what was meant', () => {
  test.each([
    [['tran'], "unknown command 'tran'", 'Did you mean train?'],
    [['train', '--resum'], "unknown option '--resum'", 'Did you mean --resume?'],
    [['--jsn', 'train'], "unknown option '--jsn'", 'Did you mean --json?'],
    [['predict'], "missing required argument 'files'", 'quern help'],
    [['inspect', 'photos', 'more'], 'too many arguments', 'quern help'],
    [['evaluate', '--split', 'tests'], "argument 'tests' is invalid", 'quern help'],
    [['export', '--target', 'tflite'], 'Allowed choices are bundle, zip, onnx, safetensors', 'quern help'],
    [['predict', 'x.png', '--top', 'many'], "--top must be a whole number from 1 to 1000, received 'many'", ''],
    [['predict', 'x.png', '--top', '0'], '--top must be a whole number', ''],
    [['serve', '--port', '70000'], "--port must be a whole number from 0 to 65535, received '70000'", ''],
    [['train', '--repeats', '3'], '--repeats draws the parts of --folds anew', 'Add --folds 5'],
    [['predict', '-'], 'nothing is piped in', ''],
    [['train', '--config'], "option '--config <file>' argument missing", 'quern help'],
  ])('%j', async (argv, message, hint) => {
    const { code, stdout, stderr } = await quern(argv, { cwd })
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain(`error: `)
    expect(stderr).toContain(message)
    expect(stderr).toContain(hint)
    expect(stderr).not.toContain(' at ')
  })
})

test('one stdin is one picture', async () => {
  const { code, stderr } = await quern(['predict', '-', '-'], { cwd, stdin: ['x'] })
  expect([code, stderr]).toEqual([2, "error: '-' can be given once: there is one stdin\n"])
})

describe('errors', () => {
  test.each(['train', 'inspect', 'evaluate', 'config'])(
    '%s without a configuration says how to make one',
    async (verb) => {
      const { code, stderr } = await quern([verb], { cwd })
      expect(code).toBe(2)
      expect(stderr).toBe(
        `error: there is no quern.config.ts in ${cwd}\n` +
          'Make one with `quern init`, go to the folder that has one, or name it with --config.\n',
      )
    },
  )

  test('as JSON: one document on stdout, the same for people on stderr', async () => {
    const { code, stdout, stderr } = await quern(['config', '--json'], { cwd })
    expect(code).toBe(2)
    expect(JSON.parse(stdout)).toEqual({
      error: {
        kind: 'config',
        message: `there is no quern.config.ts in ${cwd}`,
        hint: expect.stringContaining('quern init'),
      },
    })
    expect(stderr).toContain('error: there is no')
  })

  test('as a line of JSON for a verb that streams', async () => {
    const { stdout } = await quern(['train', '--json'], { cwd })
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([{ type: 'error', kind: 'config' }])
  })

  test('a wrong command line as JSON', async () => {
    const { stdout } = await quern(['trian', '--json'], { cwd })
    expect(JSON.parse(stdout).error).toEqual({
      kind: 'config',
      message: "unknown command 'trian'",
      hint: 'Did you mean train?',
    })
  })

  test('the stack is for --verbose', async () => {
    const { stderr } = await quern(['config', '--verbose'], { cwd })
    expect(stderr).toMatch(/\n {4}at .*load-config/)
  })

  test('a fault of ours is called one, and ends with 1', async () => {
    const services = (): Promise<Services> => Promise.reject(new TypeError('x is undefined'))
    const { code, stderr } = await quern(['runs'], { cwd, services })
    expect(code).toBe(1)
    expect(stderr).toBe('error: x is undefined\nThis is a fault in Quern. --verbose shows where; please report it.\n')
  })

  test('a missing thing ends with 1', async () => {
    const { code, stderr } = await quern(['runs', 'latest'], { cwd })
    expect([code, stderr]).toEqual([1, 'error: there are no runs yet\nStart one: quern train\n'])
  })
})

describe('colours', () => {
  const error = (options: Parameters<typeof quern>[1]): Promise<string> =>
    quern(['config'], { cwd, ...options }).then(({ stderr }) => stderr)

  test('on a terminal, not elsewhere', async () => {
    expect(await error({ columns: 80 })).toContain(coloured)
    expect(await error({})).not.toContain(coloured)
  })
  test('NO_COLOR wins, an empty one does not count', async () => {
    expect(await error({ columns: 80, env: { NO_COLOR: '1', FORCE_COLOR: '1' } })).not.toContain(coloured)
    expect(await error({ columns: 80, env: { NO_COLOR: '' } })).toContain(coloured)
  })
  test('FORCE_COLOR, and a dumb terminal', async () => {
    expect(await error({ env: { FORCE_COLOR: '1' } })).toContain(coloured)
    expect(await error({ columns: 80, env: { TERM: 'dumb' } })).not.toContain(coloured)
  })
})

/** What is imported before a command runs: `quern --help` must not wait for a runtime, pictures or schemas. */
test('help loads commander and picocolors, nothing heavier', () => {
  const packages = new Set<string>()
  const seen = new Set<string>()
  const follow = (path: string): void => {
    if (seen.has(path)) return
    seen.add(path)
    const text = readFileSync(path, 'utf8')
    for (const [, clause = '', name = ''] of text.matchAll(/^(?:import|export) ([^'\n]*?)(?:from )?'([^']+)'$/gm)) {
      if (clause.startsWith('type ')) continue
      if (name.startsWith('.')) follow(join(path, '..', name))
      else if (!name.startsWith('node:')) packages.add(name)
    }
  }
  follow(fileURLToPath(new URL('./run.ts', import.meta.url)))
  expect([...packages].sort()).toEqual(['commander', 'picocolors'])
  expect(seen.size).toBeGreaterThan(20)
})
