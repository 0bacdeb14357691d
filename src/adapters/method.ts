/** What an adapter is: a record that says which parameters it needs at a weight, what it writes beside it, and what it makes of the weight when merged. */
import { QuernError } from '../core/errors.ts'
import type { Shape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Node, Value } from '../graph/graph.ts'
import type { ParameterSpec } from '../nn/layer.ts'
import type { Emitter } from '../ops/emitter.ts'
import type { Site } from './sites.ts'
import type { Targets } from './targets.ts'

/** A parameter of an adapter at a site. */
export interface AdapterParameter {
  /** '<weight>/lora_A' */
  readonly path: string
  readonly spec: ParameterSpec
}

/** What a method may do while it writes. */
export interface AdapterContext {
  readonly g: Emitter
  readonly training: boolean
  parameter(parameter: AdapterParameter): Value
  dropoutMask(shape: Shape, rate: number): Value
  /** `[rows, rank]` or `[1, rank]`: factors of the low-rank values, in place of the method's own, where adapters are chosen at each run */
  readonly gate?: Value | undefined
}

/** A site, and the first one of the same weight: a weight that is used twice has one adapter. */
export interface PlacedSite extends Site {
  readonly owner: Site
}

export interface AdapterMethod {
  readonly kind: 'lora' | 'ia3'
  /** plain data: what a file keeps, and what configurations and fingerprints hold */
  readonly config: Readonly<Record<string, unknown>>
  readonly targets: Targets | undefined
  /** where no weights are named: those that are too small, or of a form that the method has nothing for, are left alone */
  readonly suits?: (site: Site) => boolean
  /** throws `config` for settings that mean none of the chosen sites */
  readonly checkSites?: (sites: readonly Site[]) => void
  /** (IA)3: the factors at a site multiply what goes into the weight in place of what comes out */
  readonly scalesInput?: (site: Site) => boolean
  /** the parameters at a site, in order; throws `config` or `unsupported` for weights that the method cannot be used on */
  parameters(site: Site): readonly AdapterParameter[]
  /** the node that is rewritten: that of the site, or what belongs to it */
  at(site: Site): Node
  /** Writes the node with its adapter; returns the value that stands for the node's first output, undefined when the node itself was written. */
  write(c: AdapterContext, site: PlacedSite): Value | undefined
  /** constants of the graph in which the adapter has been taken up, by the constants that they replace */
  merged(site: PlacedSite, elements: ReadonlyMap<string, Tensor>): ReadonlyMap<Value, Tensor>
}

/**
 * Types do not reach who writes JavaScript, or reads settings from a file.
 *
 * @throws QuernError 'config' for anything that is no method
 */
export function checkMethod(given: unknown, what: string): void {
  const { kind, parameters, write } = (given ?? {}) as Partial<AdapterMethod>
  if (typeof kind === 'string' && typeof parameters === 'function' && typeof write === 'function') return
  throw new QuernError('config', `${what} must be what lora() or ia3() returns, received ${described(given)}`, {
    hint: "Such as lora({ rank: 8, targets: ['query', 'value'] }).",
  })
}

function described(given: unknown): string {
  if (typeof given !== 'object' || given === null) return String(given)
  return `an object with the keys ${Object.keys(given).join(', ') || '(none)'}`
}

/** True when the weight's own axes are those of a map `[in, out]`, false when they are swapped. */
export function isDirect({ laid, isTurned }: Site): boolean {
  return (laid.order === 'in-out') !== isTurned
}
