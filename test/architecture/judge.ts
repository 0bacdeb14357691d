/** Applies the rules to scanned files. Each fault says file, line, rule and what to do. */
import {
  entryLevel,
  levels,
  longestFile,
  longestTable,
  outsideNames,
  outsideWorld,
  packageOwners,
  tables,
  testModules,
  testNames,
} from './rules.ts'
import type { Import, SourceFile } from './scan.ts'

const rulesFile = 'test/architecture/rules.ts'
const isTest = (path: string) => path.endsWith('.test.ts')
const insideSrc = (path: string) => path.slice('src/'.length)
const startsWithAny = (path: string, prefixes: readonly string[]) => prefixes.some((prefix) => path.startsWith(prefix))

/** The folder of src/ that a file belongs to, or undefined for an entry file src/x.ts. */
export function folderOf(path: string): string | undefined {
  const parts = path.split('/')
  return parts.length > 2 ? parts[1] : undefined
}

function levelOf(path: string): number | undefined {
  const folder = folderOf(path)
  return folder === undefined ? entryLevel : levels[folder]
}

/** Imports that climb: of a folder of the same or of a higher level. Tests beside the code may look up. */
export function levelFaults(file: SourceFile): string[] {
  const own = folderOf(file.path)
  const level = levelOf(file.path)
  if (level === undefined) {
    return [`${file.path}:1 folder src/${own}/ has no level. Give it one in ${rulesFile} and a line in README.md.`]
  }
  const faults: string[] = []
  for (const { line, target, specifier } of file.imports) {
    if (target === undefined) continue
    const at = `${file.path}:${line}`
    if (!target.startsWith('src/')) {
      if (!isTest(file.path)) faults.push(`${at} imports ${specifier}, outside src/. Move what it needs into src/.`)
      continue
    }
    if (!/\.(ts|mjs)$/.test(target)) faults.push(`${at} imports '${specifier}'. Write the ending: '.ts'.`)
    const other = folderOf(target)
    const otherLevel = levelOf(target)
    if (other === own && other !== undefined) continue
    if (otherLevel !== undefined && otherLevel < level) continue
    if (isTest(file.path)) continue
    faults.push(
      `${at} ${own ?? 'an entry'} (level ${level}) imports ${other ?? 'an entry'} (level ${otherLevel}). A file imports ` +
        'its own folder and LOWER levels only: move the shared part down, or take it as an argument.',
    )
  }
  return faults
}

/** The name under which a package is installed: '@hono/node-server' of '@hono/node-server/conninfo'. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

/** Imports of packages by files that do not own them. */
export function packageFaults(file: SourceFile): string[] {
  if (isTest(file.path)) return []
  const faults: string[] = []
  for (const { line, specifier, target } of file.imports) {
    if (target !== undefined || specifier.startsWith('node:')) continue
    const name = packageOf(specifier)
    const owners = packageOwners[name]
    if (owners === undefined) {
      faults.push(
        `${file.path}:${line} imports '${specifier}', which has no owner. Node's own modules are written 'node:x'; a new ` +
          `dependency gets a row in ${rulesFile} (and a reason in the commit).`,
      )
    } else if (!startsWithAny(insideSrc(file.path), owners)) {
      faults.push(
        `${file.path}:${line} imports '${name}', which only ${owners.map((owner) => `src/${owner}`).join(', ')} may. ` +
          'Call the owner, or take what you need as an argument.',
      )
    }
  }
  return faults
}

/** Uses of files, sockets, the clock, randomness and the console by code that should be handed them. */
export function outsideFaults(file: SourceFile): string[] {
  const inside = insideSrc(file.path)
  if (outsideWorld.some((pattern) => pattern.test(inside))) return []
  const test = isTest(file.path)
  const modules = file.imports
    .filter(({ specifier }) => specifier.startsWith('node:') && !(test && testModules.test(specifier)))
    .map(
      ({ line, specifier }) =>
        `${file.path}:${line} imports '${specifier}', which outsideWorld in ${rulesFile} does not allow here: ` +
        'take a port (core/ports.ts) or the bytes as an argument.',
    )
  const names = file.uses
    .filter(({ name }) => !(test && testNames.includes(name)))
    .map(
      ({ line, name }) =>
        `${file.path}:${line} uses ${name}, which outsideWorld in ${rulesFile} does not allow here: ${outsideNames[name]}.`,
    )
  return [...modules, ...names]
}

export function lengthFaults(file: SourceFile): string[] {
  const limit = tables.includes(file.path) ? longestTable : longestFile
  if (file.lines <= limit) return []
  return [
    `${file.path}:${limit} has ${file.lines} lines, ${limit} are allowed. Split it by subject; a pure table of records ` +
      `may have ${longestTable} when it is listed under tables in ${rulesFile}.`,
  ]
}

/**
 * Cycles of imports that exist at run time, each once, as the list of files in order. `import type` is gone at run time
 * and cannot make a module see another half loaded, so it does not count.
 */
export function importCycles(files: readonly SourceFile[]): string[][] {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const done = new Set<string>()
  const cycles: string[][] = []
  const follow = (path: string, trail: string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) {
      cycles.push([...trail.slice(start), path])
      return
    }
    if (done.has(path)) return
    const isKept = ({ typeOnly, target }: Import) => !typeOnly && target !== undefined && byPath.has(target)
    for (const { target } of byPath.get(path)!.imports.filter(isKept)) follow(target!, [...trail, path])
    done.add(path)
  }
  for (const path of byPath.keys()) follow(path, [])
  return cycles
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
