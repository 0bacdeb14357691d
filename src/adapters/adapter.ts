/** A trained adapter as data: the method, the numbers by path, and the hash of the weights that it was made for. */
import { QuernError, suggestion } from '../core/errors.ts'
import { sha256, sha256OfText } from '../core/hash.ts'
import { formatShape, sameShape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { substitute } from '../graph/substitute.ts'
import type { AdapterMethod, PlacedSite } from './method.ts'
import { placedSites } from './write.ts'

export interface Adapter {
  readonly method: AdapterMethod
  /** by '<weight>/lora_A' and the like */
  readonly parameters: ReadonlyMap<string, Tensor>
  /** of the weights that it changes; undefined for a file that does not say */
  readonly base: string | undefined
}

/**
 * What training made of a method, as an adapter of a base.
 *
 * @param graph the base, weights as constants
 * @param parameters by path, such as `fitted.parameters`; `prefix` is what stands in front of the adapter's own, where the model was one of several layers
 */
export async function adapterFrom(
  graph: Graph,
  method: AdapterMethod,
  parameters: ReadonlyMap<string, Tensor>,
  prefix = '',
): Promise<Adapter> {
  const sites = placedSites(graph.nodes, method)
  const own = new Map<string, Tensor>()
  for (const { path, spec } of sites.flatMap((site) => method.parameters(site.owner))) {
    const tensor = parameters.get(prefix === '' ? path : `${prefix}/${path}`)
    if (!tensor) {
      throw new QuernError('missing', `there is no parameter '${path}'. ${suggestion(path, parameters.keys())}`)
    }
    if (!sameShape(tensor.shape, spec.shape)) {
      throw new QuernError(
        'input',
        `'${path}' has the shape ${formatShape(tensor.shape)}, expected ${formatShape(spec.shape)}`,
      )
    }
    own.set(path, tensor)
  }
  return { method, parameters: own, base: await baseHash(sites) }
}

/** SHA-256 over the weights that some sites use, whatever else the model holds and however it is packed. */
export async function baseHash(sites: readonly PlacedSite[]): Promise<string> {
  const lines = new Map<string, Promise<string>>()
  for (const { weight, parts, module } of sites) {
    for (const [i, { constant }] of [weight, ...parts].entries()) {
      const { data, dtype, shape } = constant!
      if (Array.isArray(data) || lines.has(`${module}#${i}`)) continue
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      lines.set(
        `${module}#${i}`,
        sha256(bytes).then((hash) => `${module}#${i} ${dtype} ${shape.join('x')} ${hash}`),
      )
    }
  }
  return sha256OfText((await Promise.all(lines.values())).sort().join('\n'))
}

/** @throws QuernError 'input' when the adapter was made for other weights */
export async function checkBase({ base }: Pick<Adapter, 'base'>, sites: readonly PlacedSite[]): Promise<void> {
  if (base === undefined) return
  const here = await baseHash(sites)
  if (here === base) return
  throw new QuernError(
    'input',
    `the adapter was made for another base: it names the weights ${base.slice(0, 12)}..., this model has ${here.slice(0, 12)}...`,
    { hint: 'Open the model that it was trained on, or pass anyBase: true if you know that it fits.' },
  )
}

export interface BaseOptions {
  /** take the adapter though its hash says that it was made for other weights, such as the same ones before they were quantised; default false */
  readonly anyBase?: boolean
}

/**
 * The base with the adapter taken up by its weights: a model of the same operators, size and speed as before.
 *
 * @throws QuernError 'input' for an adapter of another base, 'unsupported' for quantised weights
 */
export async function mergeAdapter(
  graph: Graph,
  adapter: Adapter,
  { anyBase = false }: BaseOptions = {},
): Promise<Graph> {
  const { method, parameters } = adapter
  const sites = placedSites(graph.nodes, method)
  if (!anyBase) await checkBase(adapter, sites)
  const replaced = new Map<Value, Value>()
  for (const site of sites) {
    if (replaced.has(site.weight)) continue
    for (const [value, constant] of method.merged(site, parameters)) replaced.set(value, { ...value, constant })
  }
  return { ...graph, nodes: graph.nodes.map((node) => substitute(node, replaced)) }
}
