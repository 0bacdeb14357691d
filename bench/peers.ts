/** Programs of other frameworks: whether they are here, which version, and what installs them. Never needed to run or test Quern. */
import { existsSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { messageOf, QuernError } from '../src/core/errors.ts'
import { root } from './machine.ts'
import { runProcess } from './processes.ts'

/** Debian's own Python: its packages do not serve another one that stands first on the PATH. */
export const python = '/usr/bin/python3'

/** The line that installs what the peers in Python need; bench/peers/README.md shows it too. */
export const installTorch = 'apt-get install --no-install-recommends python3-torch libopenblas0-pthread'

/** Path of a program in bench/peers/. */
export function peerProgram(name: string): string {
  return `${root}/bench/peers/${name}`
}

/** Of the libraries that multiply, the reference BLAS is 30 times slower than the others: no peer. */
const askTorch = `
import torch
torch.ones(64, 64) @ torch.ones(64, 64)
maps = open('/proc/self/maps').read()
print(torch.__version__, any(name in maps for name in ('openblas', 'mkl', 'blis')))`

/** Version of PyTorch. Throws `missing` with the line that installs it. */
export async function requireTorch(): Promise<string> {
  let answer: string
  try {
    answer = (await runProcess([python, '-c', askTorch])).stdout.trim()
  } catch (cause) {
    throw new QuernError('missing', `the peer PyTorch is not here: ${messageOf(cause).split('\n').at(-1)}`, {
      hint: installTorch,
      cause,
    })
  }
  const [version = '', isFast] = answer.split(' ')
  if (isFast === 'True') return version
  throw new QuernError(
    'missing',
    `PyTorch ${version} is here without a fast BLAS: comparing with it would not be fair`,
    {
      hint: installTorch,
    },
  )
}

export const tfjsVersion = '4.22.0'

/** Outside of the repository: TensorFlow.js is nothing that Quern depends on. */
const tfjsFolder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'quern-bench', `tfjs-${tfjsVersion}`)

/** Folder with TensorFlow.js in it, which is installed there at the first call. */
export async function requireTfjs(progress: (message: string) => void): Promise<string> {
  const found = (): boolean => existsSync(join(tfjsFolder, 'node_modules', '@tensorflow', 'tfjs', 'package.json'))
  if (found()) return tfjsFolder
  const line = [
    'npm',
    'install',
    '--ignore-scripts',
    '--no-save',
    '--prefix',
    tfjsFolder,
    `@tensorflow/tfjs@${tfjsVersion}`,
  ]
  progress(`${line.slice(0, 4).join(' ')} ... ${line.at(-1)}`)
  mkdirSync(tfjsFolder, { recursive: true })
  try {
    await runProcess(line, { cwd: tfjsFolder })
  } catch (cause) {
    throw new QuernError('missing', `the peer TensorFlow.js could not be installed: ${messageOf(cause)}`, {
      hint: line.join(' '),
      cause,
    })
  }
  // Fails here rather than in the peer when what was installed is not what was asked for.
  createRequire(join(tfjsFolder, 'x.js')).resolve('@tensorflow/tfjs')
  return tfjsFolder
}

/** Checks of peers by the names that records need; each returns the version. */
export const peers: Readonly<Record<string, () => Promise<string>>> = { torch: requireTorch }
