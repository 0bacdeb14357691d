/**
 * Files of Debian packages that hold real data, for tests, examples and benchmarks: fetched once with `apt-get download` into a folder of the user's
 * cache, checked by their sha256 and unpacked there, which needs no rights of an administrator. Nothing is installed or committed.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { messageOf, QuernError, suggestion } from '../src/core/errors.ts'

const run = promisify(execFile)

/** sha256 of the packages, by name and version. */
export const debianPackages: Readonly<Record<string, string>> = {
  // 1200 Mandarin syllables by two speakers; speaker 3 GPL-3 or LGPL-3, speaker 5 CC-BY-3.0
  'gcin-voice=0~20170223-3': '6a0353f0294d06f7bd901bada3d5d9eec63b66c2ec029f92da3124d93d45de70',
  // a secretary hand, as English clerks of about 1600 wrote; SIL Open Font License 1.1
  'fonts-joscelyn=1.012+ds-2': '55752b19b3e0075d33129a4f8394966dcc0fa2ef2dfe7ce37a4e49cbc52a03e6',
  // scikit-learn's tables: breast cancer, wine, diabetes, iris; BSD-3-Clause
  'python3-sklearn=1.2.1+dfsg-1': 'ca0c6be401d14871c7e93cfdd8d1f561595dc65e6e2ad2501d568aee7f7efc58',
  // English words, public domain
  'wamerican-small=2020.12.07-2': 'bfebd3ce5f04a62f5fbeb6707ea1160e37d645754145138343009209f0deadb6',
}

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'quern-packages')

/**
 * Folder of an unpacked package: paths inside are those of an installed one, such as `usr/share/dict`.
 *
 * @throws QuernError 'missing' when the package cannot be fetched, 'input' when what came is not what it was
 */
export async function debianFolder(name: string): Promise<string> {
  const expected = debianPackages[name]
  if (!expected) {
    throw new QuernError('config', `no checksum of ${name}. ${suggestion(name, Object.keys(debianPackages))}`)
  }
  const folder = join(cache, `${name.replaceAll(/[^A-Za-z0-9.-]/g, '-')}-${expected.slice(0, 12)}`)
  if (!existsSync(folder)) await fetchPackage(name, expected, folder)
  return folder
}

/** Unpacks beside the place and moves: several processes may do so at once. */
async function fetchPackage(name: string, expected: string, folder: string): Promise<void> {
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, 'fetch-'))
  try {
    await run('apt-get', ['download', name], { cwd: work })
    const file = (await readdir(work)).find((entry) => entry.endsWith('.deb'))
    const bytes = await readFile(join(work, file ?? ''))
    const found = createHash('sha256').update(bytes).digest('hex')
    if (found !== expected) {
      throw new QuernError('input', `the package ${name} has sha256 ${found}, expected ${expected}`, {
        hint: 'Do not use it: it is not the one that this was made for.',
      })
    }
    await run('dpkg-deb', ['-x', join(work, file!), join(work, 'unpacked')])
    await rename(join(work, 'unpacked'), folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error
    })
  } catch (cause) {
    if (cause instanceof QuernError) throw cause
    throw new QuernError('missing', `the package ${name} could not be fetched: ${messageOf(cause).split('\n')[0]}`, {
      hint: `On Debian 12: apt-get update && apt-get download ${name}. Elsewhere fetch the .deb from packages.debian.org and unpack it into ${folder}.`,
      cause,
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
