/** Writes nodes with adapters beside the weights that they are meant for. Values keep their identity: what reads them need not change. */
import { QuernError } from '../core/errors.ts'
import type { Node, Value } from '../graph/graph.ts'
import { type AdapterContext, type AdapterMethod, checkMethod, type PlacedSite } from './method.ts'
import { findSites, type Site } from './sites.ts'
import { selectSites } from './targets.ts'

/** The sites that a method means among some nodes, each with the first one of its weight. */
export function placedSites(nodes: readonly Node[], method: AdapterMethod): readonly PlacedSite[] {
  checkMethod(method, 'an adapter')
  const owners = new Map<Value, Site>()
  const names = new Map<string, Value>()
  const selected = selectSites(findSites(nodes), method.targets, `${method.kind}.targets`)
  const suited = method.targets === undefined && method.suits ? selected.filter(method.suits) : selected
  // Where nothing is left the method says why.
  const chosen = suited.length > 0 ? suited : selected
  method.checkSites?.(chosen)
  return chosen.map((site) => {
    const owner = owners.get(site.weight) ?? site
    owners.set(site.weight, owner)
    const same = names.get(site.name) ?? site.weight
    names.set(site.name, same)
    if (same === site.weight && isLaidAlike(owner, site)) return { ...site, owner }
    throw new QuernError(
      'unsupported',
      `${method.kind}: '${site.name}' is used by ${owner.node.op} at '${owner.node.name}' and ${site.node.op} at '${site.node.name}' in ways that no adapter can serve at once`,
      { hint: "Leave it out of 'targets'." },
    )
  })
}

/** Matrices may be turned against each other, windows must stand alike. */
function isLaidAlike({ laid: a }: Site, { laid: b }: Site): boolean {
  if (a.window.join() !== b.window.join()) return false
  return a.window.length === 0 || (a.order === b.order && a.groups === b.groups)
}

/** Pushes the nodes, rewritten where a site is. */
export function writeAdapted(
  c: AdapterContext,
  nodes: readonly Node[],
  { sites, method }: { readonly sites: readonly PlacedSite[]; readonly method: AdapterMethod },
): void {
  const { builder } = c.g
  const at = new Map<Node, PlacedSite[]>()
  for (const site of sites) at.set(method.at(site), [...(at.get(method.at(site)) ?? []), site])
  for (const node of nodes) {
    let current = node
    for (const site of at.get(node) ?? []) {
      const value = builder.within(node.name, () =>
        method.write(c, site.node === node ? { ...site, node: current } : site),
      )
      if (value) takeName(c, value, node.outputs[0]!)
      // An operator with several weights is written once for each: with the one, then with the other.
      current = builder.nodes.pop()!
    }
    builder.nodes.push(current)
  }
}

/** The node that computed `value` last computes `original` in its place. */
function takeName({ g: { builder } }: AdapterContext, value: Value, original: Value): void {
  const last = builder.nodes.pop()
  if (last?.outputs.length !== 1 || last.outputs[0] !== value) {
    throw new QuernError('unsupported', `the adapter of '${original.name}' was not written in order`)
  }
  builder.nodes.push({ ...last, outputs: [original] })
}
