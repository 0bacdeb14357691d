/**
 * (IA)3: trained factors on what some products compute, or on what they are given (Liu et al. 2022, arXiv:2205.05638): keys, values, and the inputs of
 * the second product of feed-forward networks in the paper. Shapes and names are those of PEFT.
 */
import { QuernError, suggestion } from '../core/errors.ts'
import type { Pattern } from '../core/patterns.ts'
import { sizeOf } from '../core/shape.ts'
import { float32, type Tensor } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import { refuseQuantized } from './merge-lora.ts'
import { type AdapterContext, type AdapterMethod, type AdapterParameter, isDirect, type PlacedSite } from './method.ts'
import type { Site } from './sites.ts'
import { means, type Targets } from './targets.ts'

export interface Ia3Options {
  /** weights by name or pattern, as for lora(); default: all frozen weights of products and convolutions, but for transposed ones */
  readonly targets?: Targets
  /** those of them whose inputs are multiplied, in place of their outputs */
  readonly feedForward?: Targets
}

/**
 * Factors start at 1, so that the adapted model starts as the base.
 *
 * @example ia3({ targets: ['key', 'value', 'dense_1'], feedForward: ['dense_1'] })
 */
export function ia3({ targets, feedForward }: Ia3Options = {}): AdapterMethod {
  const isInput = (site: Site): boolean => feedForward !== undefined && means(feedForward, site)
  const names = (given: Targets) => [given].flat().map(String)
  return {
    kind: 'ia3',
    scalesInput: isInput,
    config: { feedForward: feedForward === undefined ? [] : names(feedForward) },
    targets,
    suits: (site) => !hasNoFactors(site),
    checkSites: (sites) => checkFeedForward(sites, feedForward),
    parameters: (site) => [parameterAt(site, isInput(site))],
    // The factor of an output multiplies its bias too.
    at: (site) => (isInput(site) ? site.node : (site.after ?? site.node)),
    write: (c, site) => (isInput(site) ? scaleInput(c, site) : scaleOutput(c, site)),
    merged: (site, elements) => merged(site, elements, isInput(site)),
  }
}

function checkFeedForward(sites: readonly Site[], feedForward: Targets = []): void {
  const patterns = [feedForward].flat() as readonly Pattern[]
  const none = patterns.find((pattern) => !sites.some((site) => means(pattern, site)))
  if (none === undefined) return
  const known = sites.slice(0, 8).map(({ module }) => module)
  throw new QuernError(
    'config',
    `ia3.feedForward: '${String(none)}' means none of the ${sites.length} weights that have factors`,
    { hint: suggestion(String(none), known) },
  )
}

function hasNoFactors({ laid, rule }: Site): boolean {
  return (laid.groups ?? 1) !== 1 || (laid.window.length > 0 && laid.order === 'in-out') || rule.recurrent === true
}

function parameterAt(site: Site, isInput: boolean): AdapterParameter {
  const { name, laid, rule } = site
  const { inputs, outputs, window } = laid
  const isConvolution = window.length > 0
  if (hasNoFactors(site)) {
    throw new QuernError(
      'unsupported',
      `ia3: '${name}' belongs to a convolution that is grouped or transposed, or to a recurrent operator, for which there are no factors`,
      { hint: 'Use lora() there.' },
    )
  }
  if (isInput && rule.form === 'lookup') {
    throw new QuernError('unsupported', `ia3: '${name}' is looked up by integers, which no factor can multiply`)
  }
  const ones = window.map(() => 1)
  const size = isInput ? inputs : outputs
  const shape = isConvolution ? [1, size, ...ones] : isInput ? [1, size] : [size, 1]
  return { path: `${name}/ia3_l`, spec: { shape, initializer: 'ones', decay: false } }
}

/** The factors `[size]`, or behind a convolution `[1, size, 1, ...]`. */
function factorsOf(c: AdapterContext, site: PlacedSite, isInput: boolean): Value {
  const { g } = c
  const { node, laid, owner } = site
  const parameter = parameterAt(owner, isInput)
  const value = g.cast(c.parameter(parameter), dtypeOf(node.outputs[0]!))
  return laid.window.length > 0 ? value : g.reshape(value, [isInput ? laid.inputs : laid.outputs])
}

function scaleInput(c: AdapterContext, site: PlacedSite): Value | undefined {
  const { g } = c
  const { node, rule } = site
  const [x, ...rest] = node.inputs
  const { transA } = node.attributes
  if (transA?.kind === 'int' && transA.value !== 0) {
    throw new QuernError('unsupported', `ia3: the input of ${node.op} at '${node.name}' is turned (transA)`)
  }
  const inputs = [g.mul(x!, factorsOf(c, site, true)), ...rest]
  if (rule.form !== 'whole') return g.repeat(node, inputs)[0]
  g.builder.nodes.push({ ...node, inputs })
  return undefined
}

function scaleOutput(c: AdapterContext, site: PlacedSite): Value | undefined {
  const { g } = c
  const { node, rule, laid, after } = site
  const factors = factorsOf(c, site, false)
  if (rule.form !== 'whole') {
    const last = after ?? node
    return g.mul(g.repeat(last, last.inputs)[0]!, factors)
  }
  const isLast = laid.order === 'in-out'
  const weight = node.inputs[rule.slot]!
  const others = shapeOf(weight)
    .map((_, i) => i)
    .slice(1)
  const flat = laid.window.length > 0 ? g.reshape(factors, [laid.outputs]) : factors
  const inputs = [...node.inputs]
  inputs[rule.slot] = g.mul(weight, isLast ? flat : g.unsqueeze(flat, others))
  const bias = rule.bias === undefined ? undefined : inputs[rule.bias]
  if (bias) inputs[rule.bias!] = g.mul(bias, flat)
  g.builder.nodes.push({ ...node, inputs })
  return undefined
}

/** The weight times the factors, and where they multiply outputs its bias too. */
function merged(site: PlacedSite, elements: ReadonlyMap<string, Tensor>, isInput: boolean): ReadonlyMap<Value, Tensor> {
  refuseQuantized(site)
  const { weight, node, rule, laid, after, owner } = site
  const factors = elements.get(parameterAt(owner, isInput).path)!.data as Float32Array
  const window = sizeOf(laid.window)
  // Of an element of the weight: its place along the axis that the factors multiply.
  const isLast = isDirect(site) !== isInput
  const count = factors.length
  const inner = laid.window.length > 0 && isInput ? window : 1
  const outer = sizeOf(weight.constant!.shape) / count
  const place = (i: number): number => {
    if (isLast) return Math.floor(i / inner) % count
    return Math.floor(i / outer)
  }
  const scaled = (tensor: Tensor, at: (i: number) => number): Tensor =>
    float32(
      tensor.shape,
      (tensor.data as Float32Array).map((x, i) => x * factors[at(i)]!),
    )
  const changed = new Map<Value, Tensor>([[weight, scaled(weight.constant!, place)]])
  if (isInput) return changed
  const own = rule.bias === undefined ? undefined : node.inputs[rule.bias]
  for (const bias of [own, ...(after?.inputs ?? [])]) {
    if (!bias?.constant) continue
    if (sizeOf(bias.constant.shape) % count !== 0) {
      throw new QuernError('unsupported', `ia3: '${bias.name}' behind '${site.name}' cannot take up ${count} factors`)
    }
    const each = laid.window.length > 0 && bias !== own ? sizeOf(bias.constant.shape.slice(-laid.window.length)) : 1
    changed.set(
      bias,
      scaled(bias.constant, (i) => Math.floor(i / each) % count),
    )
  }
  return changed
}
