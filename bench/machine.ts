/** Where and with what a figure was measured. A figure without this cannot be repeated or compared. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

/** Root of the repository, without a slash at the end. */
export const root: string = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '')

/** Above this load something else runs, and figures of speed mean little. */
export const quietLoad = 0.5

export interface Surroundings {
  /** ISO 8601 */
  readonly date: string
  readonly versions: Readonly<Record<string, string>>
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memory: string }
  /** mean number of running tasks in the minute before the start */
  readonly load: number
  readonly warnings: readonly string[]
}

export function surroundings(): Surroundings {
  const processors = cpus()
  const load = Number((loadavg()[0] ?? 0).toFixed(2))
  const busy = `the machine is not quiet: load average ${load} at the start, figures of speed need ${quietLoad} or less`
  return {
    date: new Date().toISOString(),
    versions: versions(),
    machine: {
      cpu: processors[0]?.model ?? 'unknown',
      cores: processors.length,
      memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    },
    load,
    warnings: load > quietLoad ? [busy] : [],
  }
}

/** Versions of what a result depends on, as a bundle names them, and the commit. */
export function versions(): Record<string, string> {
  return {
    quern: versionIn('package.json'),
    node: process.versions.node,
    onnxruntime: versionIn('node_modules/onnxruntime-node/package.json'),
    ...commit(),
  }
}

function versionIn(file: string): string {
  return (JSON.parse(readFileSync(`${root}/${file}`, 'utf8')) as { version: string }).version
}

/** None outside of a git checkout. '+' stands behind a commit that the files differ from. */
function commit(): { commit?: string } {
  try {
    const git = (...words: string[]): string =>
      execFileSync('git', words, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    const changed = git('status', '--porcelain', '--untracked-files=no') !== ''
    return { commit: git('rev-parse', '--short', 'HEAD') + (changed ? '+' : '') }
  } catch {
    return {}
  }
}
