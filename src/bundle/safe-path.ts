/** Names of files that strangers chose: a manifest's or a zip's entries. */

/** What is wrong with a name, or undefined when it stays inside its folder on every system. */
export function unsafePath(path: string): string | undefined {
  if (path === '') return 'the name is empty'
  if (path.length > 200) return 'the name is longer than 200 characters'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) return 'the name holds control characters'
  if (path.includes('\\') || path.includes(':')) return "the name holds '\\' or ':'"
  if (path.startsWith('/')) return 'the path is absolute'
  const parts = path.split('/')
  if (parts.includes('..') || parts.includes('.') || parts.includes('')) return "the path has '..', '.' or empty parts"
  return undefined
}
