/**
 * Finds and loads the configuration of a project. TypeScript is read by jiti; what the file imports from 'quern' and 'quern/nn' is
 * this very package, already loaded, so it need not be installed beside the configuration, and its classes are the same.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, extname, join, resolve } from 'node:path'
import { messageOf, QuernError, suggestion } from '../core/errors.ts'
import { missingPath } from '../data/missing-path.ts'

export const configNames = ['quern.config.ts', 'quern.config.js', 'quern.config.mjs', 'quern.config.json'] as const
const endings = ['.ts', '.mts', '.js', '.mjs', '.json']

/** Absolute path of the configuration; an error says how to make one. */
export async function findConfig(cwd: string, given?: string): Promise<string> {
  if (given !== undefined) {
    const path = resolve(cwd, given)
    if (!existsSync(path)) {
      const { message, hint } = await missingPath(path, 'configuration', { code: 'ENOENT' })
      throw new QuernError('config', message, { hint })
    }
    if (statSync(path).isDirectory()) return findConfig(path)
    if (endings.includes(extname(path))) return path
    throw new QuernError('config', `${given} is no configuration. ${suggestion(extname(path), endings)}`)
  }
  const found = configNames.map((name) => join(cwd, name)).filter((path) => existsSync(path))
  if (found.length === 1) return found[0]!
  if (found.length > 1) {
    throw new QuernError(
      'config',
      `${cwd} has several configurations: ${found.map((path) => basename(path)).join(', ')}`,
      {
        hint: 'Say which with --config, or remove the others.',
      },
    )
  }
  throw new QuernError('config', `there is no ${configNames[0]} in ${cwd}`, {
    hint: 'Make one with `quern init`, go to the folder that has one, or name it with --config.',
  })
}

/** What the file exports as default, or the value of a JSON file. Nothing is checked yet. */
export async function loadConfig(path: string): Promise<unknown> {
  return extname(path) === '.json' ? loadJson(path) : loadModule(path)
}

function loadJson(path: string): unknown {
  const text = readFileSync(path, 'utf8')
  try {
    return JSON.parse(text)
  } catch (cause) {
    const at = /position (\d+)/.exec(messageOf(cause))?.[1]
    const line = at === undefined ? '' : `:${text.slice(0, Number(at)).split('\n').length}`
    throw new QuernError(
      'config',
      `${path}${line} is not valid JSON: ${messageOf(cause).replace(/ in JSON at .*$/, '')}`,
      { cause },
    )
  }
}

/** This package's own entries. They are named by address and not imported by name: it is the user's file that imports them. */
async function ownModules(): Promise<Record<string, unknown>> {
  const entry = (name: string): Promise<unknown> =>
    import(/* @vite-ignore */ new URL(`../${name}${extname(import.meta.url)}`, import.meta.url).href)
  const [quern, nn] = await Promise.all([entry('index'), entry('nn')])
  return { quern, 'quern/nn': nn }
}

async function loadModule(path: string): Promise<unknown> {
  const [{ createJiti }, virtualModules] = await Promise.all([import('jiti'), ownModules()])
  const jiti = createJiti(path, { fsCache: false, moduleCache: false, virtualModules })
  let loaded: { default?: unknown }
  try {
    loaded = await jiti.import<{ default?: unknown }>(path)
  } catch (error) {
    throw loadError(path, error)
  }
  if (loaded?.default !== undefined) return loaded.default
  throw new QuernError('config', `${path} has no default export`, {
    hint: 'export default defineProject({ task: ..., data: { ... } })',
  })
}

/** Why a configuration does not load, with file and line where that is known. */
function loadError(path: string, error: unknown): QuernError {
  if (error instanceof QuernError) {
    return new QuernError(error.kind, `${placeOf(path, error)}: ${error.message}`, { hint: error.hint, cause: error })
  }
  const message = messageOf(error).split('\n')[0]!.trim()
  const missing = /Cannot find (?:module|package) '([^']+)'/.exec(message)?.[1]
  if (missing !== undefined) {
    return new QuernError('config', `${importPlace(path, missing)} imports '${missing}', which is not there`, {
      hint: /^[./]/.test(missing) ? 'Check the path.' : `Install it: npm install ${missing}`,
      cause: error,
    })
  }
  // jiti writes an imported name as `(0 , _nn.dense)`.
  const readable = message.replace(/^\w*Error: /, '').replace(/\(0\s?,\s?\w+\.(\w+)\)/g, '$1')
  return new QuernError('config', `${placeOf(path, error)}: ${readable.replace(/ \(\d+:\d+\)$/, '')}`, { cause: error })
}

/** 'file:line' of an import. The error itself does not know: imports are moved to the first line before the file runs. */
function importPlace(path: string, name: string): string {
  const at = readFileSync(path, 'utf8')
    .split('\n')
    .findIndex((line) => line.includes(`'${name}'`) || line.includes(`"${name}"`))
  return at < 0 ? path : `${path}:${at + 1}`
}

/** 'file:line' of the first place in the user's own file that the error names. */
function placeOf(path: string, error: unknown): string {
  const text = error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : ''
  const start = text.indexOf(`${path}:`)
  const line = start < 0 ? undefined : /^:(\d+)/.exec(text.slice(start + path.length))?.[1]
  return line === undefined ? path : `${path}:${line}`
}
