/** Names for versions that can be moved: which one answers, which one gets a share of the traffic, which one only looks on. */

export interface Aliases {
  /** answers those who name no version; default: the last one that came */
  readonly stable?: string | undefined
  /** answers a share of them, from 0 to 1 */
  readonly canary?: { readonly version: string; readonly share: number } | undefined
  /** computes the same after the answer was sent; nobody sees what, but the difference is told to those who watch */
  readonly shadow?: string | undefined
}

/** What a version that looks on would have answered. */
export interface ShadowReport {
  readonly name: string
  /** that answered */
  readonly version: string
  /** that looked on */
  readonly shadow: string
  /** that were compared */
  readonly examples: number
  /** of them: the same best class, or a number that differs by no more than a hundredth */
  readonly agreeing: number
  /** how far scores or numbers lie apart: for each example the largest difference, summed up */
  readonly differences: number
  readonly largestDifference: number
  /** why nothing could be compared */
  readonly failure?: string
}

/**
 * The version that answers.
 * @param asked a version, the name of an alias, or undefined
 * @param chance from 0 to 1: below the canary's share, the canary answers
 */
export function resolveVersion(aliases: Aliases, asked: string | undefined, chance: number, latest: string): string {
  const stable = aliases.stable ?? latest
  if (asked === undefined) {
    return aliases.canary !== undefined && chance < aliases.canary.share ? aliases.canary.version : stable
  }
  if (asked === 'stable') return stable
  if (asked === 'canary' && aliases.canary) return aliases.canary.version
  if (asked === 'shadow' && aliases.shadow !== undefined) return aliases.shadow
  return asked
}

/** A number from 0 to 1 that an id always gets: the same request is answered by the same version when it is sent again (FNV-1a). */
export function chanceOf(id: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193)
  // The high bits of FNV move little for short texts: fold the low ones over them.
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0x2c1b3c6d)
  hash ^= hash >>> 12
  return (hash >>> 0) / 2 ** 32
}
