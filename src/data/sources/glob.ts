/** Patterns of paths: `*` and `?` within a name, `**` any folders, `{a,b}` either. Listing is sorted, so that rows have one order everywhere. */
import { readdir } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'

/** Whether a path is a pattern. */
export function isPattern(path: string): boolean {
  return /[*?{]/.test(path.replaceAll(/\$\{[^}]*\}/g, ''))
}

/** Matches paths with '/' between their parts. */
export function patternOf(glob: string): RegExp {
  const text = glob.replaceAll(/\*\*\/|\*\*|[*?{},]|[.+^$()|[\]\\]/g, (mark) => {
    switch (mark) {
      case '**/':
        return '(?:.*/)?'
      case '**':
        return '.*'
      case '*':
        return '[^/]*'
      case '?':
        return '[^/]'
      case '{':
        return '(?:'
      case '}':
        return ')'
      case ',':
        return '|'
      default:
        return `\\${mark}`
    }
  })
  return new RegExp(`^${text}$`)
}

/** The longest folder in front of the first part that is a pattern, with '/' at its end, or ''. */
export function fixedPart(glob: string): string {
  const before = glob.slice(0, glob.search(/[*?{]/))
  return before.slice(0, before.lastIndexOf('/') + 1)
}

/** Absolute paths of the files that match, sorted by code units; hidden ones only where the pattern names the dot. */
export async function listMatching(glob: string, root: string): Promise<string[]> {
  const whole = resolve(root, glob).split(sep).join('/')
  const folder = fixedPart(whole)
  const pattern = patternOf(whole)
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => {
      const below = relative(folder, path).split(sep)
      const isHidden = below.some((part) => part.startsWith('.')) && !/(^|\/)\./.test(whole.slice(folder.length))
      return !isHidden && pattern.test(path.split(sep).join('/'))
    })
    .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}
