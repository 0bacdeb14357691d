/** An adapter on the model that training starts from: its settings, what was trained of it as data, and the model that has taken it up. */
import {
  type Adapter,
  type AdapterMethod,
  adaptedModel,
  adapterFrom,
  ia3,
  lora,
  mergeAdapter,
  peftConfigFile,
  peftModelFile,
} from '../adapters/index.ts'
import type { PlacedSite } from '../adapters/method.ts'
import { placedSites } from '../adapters/write.ts'
import type { AdapterSection } from '../contract/adapter.ts'
import { QuernError } from '../core/errors.ts'
import { exactly } from '../core/patterns.ts'
import { sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Graph } from '../graph/graph.ts'
import { blockedValues, type ImportedModel, importedModel, type Layer, whyBlocking } from '../nn/index.ts'
import { table } from '../ops/index.ts'
import { baseParameters } from './base-parameters.ts'
import { under } from './open-model.ts'
import type { Services } from './services.ts'

/** Where the files of an adapter lie in the run that trained it. */
export const adapterFolder = 'adapter/'

/** Parameters of a training step by path, the base's below 'base/', wherever that stands. */
type Parameters = ReadonlyMap<string, Tensor>

export function adapterMethod(section: AdapterSection): AdapterMethod {
  if (section.method === 'ia3') {
    const { targets, feedForward } = section
    return ia3({ ...(targets && { targets }), ...(feedForward && { feedForward }) })
  }
  const { rank, alpha, dropout, targets, rankStabilized, decomposed } = section
  return lora({
    ...{ rank, dropout, rankStabilized, decomposed },
    ...(alpha !== undefined && { alpha }),
    ...(targets && { targets }),
  })
}

/**
 * What stands in the place of the base: the base with the adapter beside its frozen weights.
 *
 * @throws QuernError 'unsupported' for a weight whose adapter no gradient would reach
 */
export function adaptedBase(method: AdapterMethod): (frozen: ImportedModel) => Layer {
  return (frozen) => adaptedModel(frozen, { adapter: reachable(frozen, method), name: 'base' })
}

/** The method on those of its weights that gradients reach: of patterns all must be, without patterns the others are left alone. */
function reachable({ graph, trained }: ImportedModel, method: AdapterMethod): AdapterMethod {
  const { by } = blockedValues(graph, table)
  const frozen = placedSites(graph.nodes, method).filter(({ name }) => !trained.has(name))
  // A last operator without a gradient of its own has no value behind it: its weight says it.
  const blockerOf = ({ node, weight }: PlacedSite) => by.get(node.outputs[0]!) ?? by.get(weight)
  const blocked = frozen.find(blockerOf)
  const blocker = blocked && blockerOf(blocked)
  if (!blocked || !blocker) return method
  const open = [...new Set(frozen.filter((site) => !blockerOf(site)).map(({ name }) => name))]
  if (method.targets === undefined && open.length > 0) return { ...method, targets: open.map(exactly) }
  throw new QuernError(
    'unsupported',
    `the adapter of '${blocked.name}' cannot be trained: ${blocker.op} at '${blocker.name}', between it and the output, has no gradient (${whyBlocking(blocker, table) ?? 'nothing real leaves it'})`,
    {
      hint:
        open.length === 0
          ? 'Train a head behind the model: leave the adapter out.'
          : `Adapters of these can: ${open.join(', ')}.`,
    },
  )
}

/** How much of a model an adapter is. */
export interface AdapterSize {
  readonly kind: AdapterMethod['kind']
  /** numbers that are trained, and weights that they stand beside */
  readonly parameters: number
  readonly weights: number
}

export function adapterSize(base: ImportedModel, method: AdapterMethod): AdapterSize {
  const { graph, trained } = base
  // A weight that is trained itself is no constant any more.
  const owners = new Set(placedSites(graph.nodes, reachable(base, method)).map(({ owner }) => owner))
  const frozen = [...owners].filter(({ name }) => !trained.has(name))
  const shapes = frozen.flatMap((owner) => method.parameters(owner).map(({ spec }) => spec.shape))
  return {
    kind: method.kind,
    parameters: shapes.reduce((sum, shape) => sum + sizeOf(shape), 0),
    weights: frozen.length,
  }
}

/**
 * The adapter as data.
 *
 * @param graph the part of the base that was trained, weights as constants
 */
export function trainedAdapter(graph: Graph, method: AdapterMethod, parameters: Parameters): Promise<Adapter> {
  const { own, weights } = trainedParts(graph, method, parameters)
  return adapterFrom(graph, { ...method, targets: weights.map(exactly) }, own)
}

/** The weights that have an adapter by their names, and its parameters: patterns may mean more in the whole file, such as weights that are trained themselves. */
function trainedParts(graph: Graph, method: AdapterMethod, parameters: Parameters) {
  const own = new Map<string, Tensor>()
  const weights = new Set<string>()
  const ofBase = baseParameters(parameters)
  for (const { owner } of placedSites(graph.nodes, method)) {
    const paths = method.parameters(owner).map(({ path }) => path)
    if (!paths.every((path) => ofBase.has(path))) continue
    for (const path of paths) own.set(path, ofBase.get(path)!)
    weights.add(owner.name)
  }
  return { own, weights: [...weights] }
}

/**
 * The files of an adapter, by what a user calls it: a folder that holds them, or a run.
 *
 * @throws QuernError 'missing' where there are none
 */
export async function adapterFiles(
  { folder, runs }: Pick<Services, 'folder' | 'runs'>,
  place: string,
): Promise<Readonly<Record<string, Uint8Array>>> {
  const given = folder(place)
  const isFolder = /[\\/]/.test(place) || (await given.exists(peftConfigFile))
  const files = isFolder ? given : under((await runs.open(place)).files, adapterFolder)
  const found: Record<string, Uint8Array> = {}
  for (const name of [peftConfigFile, peftModelFile]) {
    if (await files.exists(name)) found[name] = await files.read(name)
    else {
      throw new QuernError(
        'missing',
        `'${place}' holds no adapter: it has no ${isFolder ? '' : adapterFolder}${name}`,
        {
          hint: 'Give a run that trained one (quern train --from MODEL --adapter lora), or the folder that quern export --target adapter wrote.',
        },
      )
    }
  }
  return found
}

/** What stands in the place of the base for good: the base whose weights have taken the adapter up, or why they cannot. */
export async function mergedBase(
  graph: Graph,
  adapter: Adapter,
): Promise<{ readonly graph: Graph } | { readonly refusal: QuernError }> {
  try {
    return { graph: await mergeAdapter(graph, adapter, { anyBase: true }) }
  } catch (error) {
    if (error instanceof QuernError && error.kind === 'unsupported') return { refusal: error }
    throw error
  }
}

/** The merged graph as the layer that the frozen one was: weights that were trained are parameters of the same names. */
export function mergedLayer(graph: Graph): (frozen: ImportedModel) => Layer {
  return ({ trained }) =>
    importedModel(graph, {
      name: 'base',
      train: trained.size === 0 ? 'none' : [...trained].map(exactly),
      differentiable: false,
    })
}
