/**
 * Parameters by the names of their paths: 'encoder', 'encoder/**' and '**\/bias' as files are named, or regular expressions. Names are parted
 * by '/', and below a layer by '.' too, as PyTorch writes them: 'encoder.layer.0' means 'encoder.layer.0.weight'.
 */
import { QuernError, suggestion } from './errors.ts'

/**
 * `*` stands for any text within one name, `**` for any number of names. A pattern that names a layer or a model means all below it.
 * A RegExp, or the text of one between slashes ('/^block_[0-5]\//'), is looked for anywhere in the path.
 */
export type Pattern = string | RegExp

/** The pattern that means this name and no other. */
export const exactly = (name: string): RegExp => new RegExp(`^${escaped(name)}$`)

/** A text as a regular expression finds it. */
export const escaped = (text: string): string => text.replaceAll(/[\\^$.|?*+()[\]{}/-]/g, '\\$&')

/**
 * The paths that a pattern means.
 *
 * @param what names the setting in the message
 * @throws QuernError 'config' when it means none, with the nearest path or layer
 */
export function matching(pattern: Pattern, paths: readonly string[], what: string): readonly string[] {
  // What a file calls '/encoder/weight' looks like a regular expression: a name that is there comes first.
  const named = typeof pattern === 'string' ? paths.filter((path) => isBelow(path, pattern)) : []
  if (named.length > 0) return named
  const expression = expressionOf(pattern, what)
  const found = paths.filter((path) => expression.test(path))
  if (found.length > 0) return found
  const known = new Set(paths.flatMap((path) => [...above(path), path]))
  throw new QuernError(
    'config',
    `${what}: no trained parameter matches '${String(pattern)}'. ${suggestion(String(pattern), known)}`,
  )
}

function isBelow(path: string, name: string): boolean {
  return path === name || path.startsWith(`${name}/`) || path.startsWith(`${name}.`)
}

/** 'a/b.c' -> 'a', 'a/b' */
function above(path: string): string[] {
  return [...path.matchAll(/[/.]/g)].map(({ index }) => path.slice(0, index)).filter((name) => name !== '')
}

function expressionOf(pattern: Pattern, what: string): RegExp {
  if (pattern instanceof RegExp) return new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ''))
  const between = /^\/(.+)\/([a-z]*)$/.exec(pattern)
  try {
    return between ? new RegExp(between[1]!, between[2]) : expressionOfGlob(pattern)
  } catch (cause) {
    throw new QuernError('config', `${what}: '${pattern}' is no regular expression`, { cause })
  }
}

function expressionOfGlob(glob: string): RegExp {
  const escaped = glob.replaceAll(/[\\^$.|?+()[\]{}]/g, '\\$&')
  const parts: Readonly<Record<string, string>> = { '**/': '(?:[^/]+/)*', '/**': '(?:/.*)?', '**': '.*', '*': '[^/]*' }
  const source = escaped.replaceAll(/\*\*\/|\/\*\*|\*\*|\*/g, (part) => parts[part]!)
  return new RegExp(`^${source}(?:[/.].*)?$`)
}
