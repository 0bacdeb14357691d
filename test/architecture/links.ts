/** Links of the Markdown pages: every relative one must lead to a file, every '#part' to a heading. */
import { existsSync } from 'node:fs'
import { dirname, join, normalize, sep } from 'node:path'
import { readText, root } from './scan.ts'

/** GitHub's anchor of a heading: lower case, punctuation gone, blanks become '-'. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-')
}

function anchorsOf(page: string): Set<string> {
  const headings = page.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#{1,6}\s+(.+)$/gm)
  return new Set([...headings].map((match) => anchorOf(match[1]!)))
}

/** What is wrong with the links of one page, with file and line. */
export function linkFaults(path: string): string[] {
  const faults: string[] = []
  let fenced = false
  for (const [index, line] of readText(path).split('\n').entries()) {
    if (line.startsWith('```')) fenced = !fenced
    if (fenced) continue
    for (const [, link] of line.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link!)) continue
      const [file, anchor] = link!.split('#') as [string, string | undefined]
      const target =
        file === ''
          ? path
          : normalize(join(dirname(path), file))
              .split(sep)
              .join('/')
      const at = `${path}:${index + 1} links to ${link}`
      if (!existsSync(join(root, target)))
        faults.push(`${at}: there is no ${target}. Correct the link or write the page.`)
      else if (anchor !== undefined && target.endsWith('.md') && !anchorsOf(readText(target)).has(anchor)) {
        faults.push(`${at}: ${target} has no heading '#${anchor}'. Correct the link.`)
      }
    }
  }
  return faults
}
