/** Which uses of weights get an adapter: by name or pattern, with errors that name what is near. */
import { nearest, QuernError } from '../core/errors.ts'
import { matching, type Pattern } from '../core/patterns.ts'
import type { Node } from '../graph/graph.ts'
import { operatorName } from './rules.ts'
import type { Site, Sites } from './sites.ts'

/** Patterns of weights ('block_0/attention/output/kernel') or modules ('encoder.layer.0'); a plain name also means modules that end in it, as in PEFT. */
export type Targets = Pattern | readonly Pattern[]

/**
 * The sites that the patterns mean; without patterns all products and convolutions without groups, but no lookups and nothing recurrent.
 *
 * @throws QuernError 'config' for a pattern that means no weight (with the nearest name), 'unsupported' when what it means has no adapter
 */
export function selectSites(found: Sites, targets: Targets | undefined, what: string): readonly Site[] {
  const { sites, integers } = found
  if (targets === undefined) {
    const all = sites.filter(({ rule, laid }) => rule.form !== 'lookup' && !rule.recurrent && (laid.groups ?? 1) === 1)
    if (all.length > 0) return all
    if (integers) refuseIntegers(integers, `${what}:`)
    throw new QuernError('unsupported', `${what}: the model has no frozen weights of products or convolutions`, {
      hint: "Import it with train: 'none', or give the weights of the model as they are.",
    })
  }
  const patterns = typeof targets === 'string' || targets instanceof RegExp ? [targets] : targets
  const chosen = new Set(patterns.flatMap((pattern) => sitesOf(pattern, found, what)))
  return sites.filter((site) => chosen.has(site))
}

const meaningNone = (pattern: Pattern, what: string): string =>
  `${what}: '${String(pattern)}' means no weight that can have one, and`

function refuseIntegers(node: Node, what: string): never {
  throw new QuernError(
    'unsupported',
    `${what} the products of the model take whole numbers (${operatorName(node)} at '${node.name}'), beside which no adapter can stand`,
    {
      hint: 'Start from the file before it was quantised; quantizeWeights(graph) makes weights of 4 or 8 bits that can have adapters.',
    },
  )
}

function sitesOf(pattern: Pattern, { sites, others, integers }: Sites, what: string): readonly Site[] {
  const bySuffix = typeof pattern === 'string' ? sites.filter((site) => endsIn(site, pattern)) : []
  if (bySuffix.length > 0) return bySuffix
  const names = new Map<string, Site[]>()
  for (const site of sites) {
    for (const name of new Set([site.name, site.module])) names.set(name, [...(names.get(name) ?? []), site])
  }
  const found = matched(pattern, { adaptable: [...names.keys()], others: [...others.keys()], integers }, what)
  const chosen = found.flatMap((name) => names.get(name) ?? [])
  if (chosen.length > 0) return chosen
  if (integers) refuseIntegers(integers, meaningNone(pattern, what))
  const [first] = found as readonly [string]
  throw new QuernError(
    'unsupported',
    `${what}: '${String(pattern)}' means '${first}', for which there is no adapter: ${others.get(first)}`,
    {
      hint: 'Adapters go on the weights of MatMul, Gemm, Conv, ConvTranspose, LSTM, GRU, RNN, Gather, and attention that is fused in the file.',
    },
  )
}

/** Whether the patterns mean a site; here one that means nothing is no error. */
export function means(targets: Targets, site: Site): boolean {
  const patterns = typeof targets === 'string' || targets instanceof RegExp ? [targets] : targets
  return patterns.some((pattern) => {
    if (typeof pattern === 'string' && endsIn(site, pattern)) return true
    try {
      return matching(pattern, [site.name, site.module], 'targets').length > 0
    } catch {
      return false
    }
  })
}

function endsIn({ name, module }: Site, pattern: string): boolean {
  const plain = pattern.replaceAll('/', '.')
  return name === pattern || module === plain || module.endsWith(`.${plain}`)
}

function matched(
  pattern: Pattern,
  given: {
    readonly adaptable: readonly string[]
    readonly others: readonly string[]
    readonly integers: Node | undefined
  },
  what: string,
): readonly string[] {
  const { adaptable: names, others, integers } = given
  try {
    return matching(pattern, [...names, ...others], what)
  } catch (error) {
    if (!(error instanceof QuernError) || !error.message.includes('no trained parameter matches')) throw error
    if (integers) refuseIntegers(integers, meaningNone(pattern, what))
    const near = nearest(String(pattern), withEndings(names))
    const rest = `The first of ${names.length}: ${names.slice(0, 8).join(', ')}.`
    throw new QuernError(
      'config',
      `${what}: no frozen weight matches '${String(pattern)}'. ${near === undefined ? rest : `Did you mean '${near}'?`}`,
      { cause: error },
    )
  }
}

/** Names, and their last parts: a user may have meant either. */
function withEndings(names: readonly string[]): readonly string[] {
  return [...new Set(names.flatMap((name) => [name, ...name.split(/[/.]/).filter((part) => part.length > 2)]))]
}
