/** What the scripts share: where things stand, and how a tool is run. */
import { spawn } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Without a separator at its end: paths below it are cut off by its length. */
export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '')

/** Entry files of the tools, run by node itself: the links in .bin are shell scripts on Windows. */
const entries = {
  biome: 'node_modules/@biomejs/biome/bin/biome',
  knip: 'node_modules/knip/bin/knip.js',
  tsc: 'node_modules/typescript/bin/tsc',
  vitest: 'node_modules/vitest/vitest.mjs',
}

/** The command line that runs a tool of node_modules. */
export function tool(name, ...options) {
  return [process.execPath, entries[name], ...options]
}

/**
 * Runs a command at the root of the repository. Resolves to its exit code, its output when `quiet`, and the seconds.
 * Input is closed: no tool may wait for an answer.
 */
export function run([command, ...options], { quiet = false, env = {} } = {}) {
  const start = performance.now()
  return new Promise((resolve) => {
    const child = spawn(command, options, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
    })
    let output = ''
    const end = (code) => resolve({ code, output, seconds: (performance.now() - start) / 1000 })
    child.stdout?.on('data', (chunk) => {
      output += chunk
    })
    child.stderr?.on('data', (chunk) => {
      output += chunk
    })
    child.on('error', (error) => {
      output += error.message
      end(127)
    })
    child.on('close', (code) => end(code ?? 1))
  })
}

/** Paths of all files below a folder, relative to it; none when there is no such folder. */
export function filesBelow(folder) {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath}/${entry.name}`.slice(folder.length + 1).replaceAll('\\', '/'))
  } catch {
    return []
  }
}

/** When a file was last written, in milliseconds; 0 when it does not exist. */
export function writtenAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
