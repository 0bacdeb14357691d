/**
 * Where frozen weights work in a graph: every use of a constant as a linear map, with the names by which a user, and a file in PEFT's layout, calls
 * it. Weights are found through transpositions, casts, DequantizeLinear, and arithmetic that unpacks whole numbers.
 */
import { isFloat } from '../core/dtype.ts'
import { constantsOf, type Node, type Value } from '../graph/graph.ts'
import { type ConstantChain, chainFrom, chainThrough, chainTurned, isUnpacked } from './constant-chain.ts'
import { type AdapterRule, adapterRules, isAdaptable, type Laid, operatorName, weightShape } from './rules.ts'

/** One use of one weight. */
export interface Site {
  readonly node: Node
  readonly rule: AdapterRule
  readonly laid: Laid
  /** the constant, as the file holds it: floating-point numbers, or the integers that stand for them */
  readonly weight: Value
  /** scales and zero points that belong to it */
  readonly parts: readonly Value[]
  /** between the constant and the operator the two axes are swapped */
  readonly isTurned: boolean
  readonly isQuantized: boolean
  /** the node that makes floating-point numbers of it */
  readonly dequantizer: Node | undefined
  /** the same by arithmetic, in several nodes */
  readonly chain: ConstantChain | undefined
  /** what stands in front of the names of its adapter's parameters: the name of the constant */
  readonly name: string
  /** as PyTorch names modules: 'encoder.layer.0.attention.self.query' */
  readonly module: string
  /** an Add of a constant, such as a bias, that alone reads what the node computes */
  readonly after: Node | undefined
}

export interface Sites {
  readonly sites: readonly Site[]
  /** constants that have no adapter where they are used, by name: why */
  readonly others: ReadonlyMap<string, string>
  /** the first operator that multiplies whole numbers, as dynamic quantisation leaves them */
  readonly integers: Node | undefined
}

interface Origin {
  readonly weight: Value
  readonly parts: readonly Value[]
  readonly isTurned: boolean
  readonly isQuantized: boolean
  readonly dequantizer: Node | undefined
  readonly chain: ConstantChain | undefined
}

/** All uses, in the order of the nodes. */
export function findSites(nodes: readonly Node[]): Sites {
  const origins = new Map<Value, Origin>()
  const chains = new Map<Value, ConstantChain>()
  const readers = readersOf(nodes)
  const found: Omit<Site, 'module'>[] = []
  const others = new Map<string, string>()
  for (const node of nodes) {
    if (followsChain(node, origins, chains) || followsWeight(node, origins)) continue
    const slots = new Set<number>()
    for (const rule of adapterRules(node)) {
      const weight = node.inputs[rule.slot]
      const origin = weight && (rule.packed ? packedOrigin(node) : originOf(weight, origins))
      if (!origin) continue
      slots.add(rule.slot)
      const laid = rule.laid(node, weightShape(node, rule) ?? [])
      if (typeof laid === 'string') others.set(origin.weight.name, `${operatorName(node)} at '${node.name}': ${laid}`)
      else found.push({ node, rule, laid, ...origin, name: origin.weight.name, after: additionBehind(node, readers) })
    }
    noteInner(node, others)
    noteOthers({ ...node, inputs: node.inputs.filter((_, i) => !slots.has(i)) }, origins, others)
  }
  return { sites: withModules(found), others, integers: nodes.find(({ op }) => /Integer$|^QLinear/.test(op)) }
}

const plain = { parts: [], isTurned: false, isQuantized: false, dequantizer: undefined, chain: undefined } as const

function originOf(value: Value, origins: ReadonlyMap<Value, Origin>): Origin | undefined {
  if (!value.constant) return origins.get(value)
  return isFloat(value.constant.dtype) ? { weight: value, ...plain } : undefined
}

function packedOrigin({ inputs }: Node): Origin | undefined {
  const [, weight, ...parts] = inputs
  if (!weight?.constant) return undefined
  const constants = parts.slice(0, 3).filter((value) => value?.constant) as Value[]
  return { ...plain, weight, parts: constants, isQuantized: true }
}

/** Notes what a node makes of a weight; true when that is all it does. */
function followsWeight(node: Node, origins: Map<Value, Origin>): boolean {
  const [first] = node.inputs
  const [output] = node.outputs
  if (!first || !output) return false
  const name = operatorName(node)
  if (/(^|\.)DequantizeLinear$/.test(name) && first.constant) {
    const parts = node.inputs.slice(1).filter((value) => value?.constant) as Value[]
    origins.set(output, { ...plain, weight: first, parts, isQuantized: true, dequantizer: node })
    return true
  }
  const isMove = name === 'Transpose' || name === 'Identity' || name === 'Cast'
  const origin = isMove ? originOf(first, origins) : undefined
  if (!origin) return false
  if (name === 'Transpose' && !swapsTwoAxes(node)) return false
  origins.set(output, name === 'Transpose' ? { ...origin, isTurned: !origin.isTurned } : origin)
  return true
}

/** Notes what a node makes of whole numbers that are unpacked by arithmetic; true when it does that and nothing else. */
function followsChain(node: Node, origins: Map<Value, Origin>, chains: Map<Value, ConstantChain>): boolean {
  const [output] = node.outputs
  const isTurning = operatorName(node) === 'Transpose' && swapsTwoAxes(node)
  const chain = output && (isTurning ? chainTurned(node, chains) : (chainFrom(node) ?? chainThrough(node, chains)))
  if (!chain) return false
  chains.set(output, chain)
  if (!isUnpacked(chain)) return false
  const { weight, parts, isTurned } = chain
  origins.set(output, { ...plain, weight, parts, isTurned, isQuantized: true, chain })
  return true
}

function swapsTwoAxes({ attributes, inputs }: Node): boolean {
  const rank = inputs[0]?.type?.shape?.length
  const { perm } = attributes
  return rank === 2 && (perm?.kind !== 'ints' || perm.value.join() === '1,0')
}

/** Remembers weights inside of If, Loop and Scan, which are not trained. */
function noteInner(node: Node, others: Map<string, string>): void {
  for (const attribute of Object.values(node.attributes)) {
    if (attribute.kind !== 'graph') continue
    for (const value of constantsOf(attribute.value)) {
      if (!isFloat(value.constant!.dtype) || value.constant!.data.length < 2) continue
      others.set(value.name, `it lies inside of ${operatorName(node)} at '${node.name}', where nothing is trained`)
    }
  }
}

/** Remembers weights of operators without a rule, so that a pattern that means one can be told why. */
function noteOthers(node: Node, origins: ReadonlyMap<Value, Origin>, others: Map<string, string>): void {
  for (const value of node.inputs) {
    const origin = value && originOf(value, origins)
    if (!origin || origin.weight.constant!.data.length < 2) continue
    others.set(origin.weight.name, `it is no matrix that ${operatorName(node)} at '${node.name}' multiplies by`)
  }
}

function readersOf(nodes: readonly Node[]): ReadonlyMap<Value, readonly Node[]> {
  const readers = new Map<Value, Node[]>()
  for (const node of nodes) {
    for (const value of new Set(node.inputs)) {
      if (value && !value.constant) readers.set(value, [...(readers.get(value) ?? []), node])
    }
  }
  return readers
}

function additionBehind({ outputs }: Node, readers: ReadonlyMap<Value, readonly Node[]>): Node | undefined {
  const [next, ...more] = (outputs[0] && readers.get(outputs[0])) ?? []
  if (!next || more.length > 0 || operatorName(next) !== 'Add') return undefined
  return next.inputs.some((value) => value?.constant) ? next : undefined
}

/** Names that exporters number: they say nothing. */
const meaningless = /^(onnx::|p2o\.|const(ant)?[_:\d]|_v_|val_|\d+$)/i

/** What quantisers put behind a name. */
const quantizedEnding = /(_Q[248](G\d+)?|_quantized|_DequantizeLinear)+$/

function withModules(found: readonly Omit<Site, 'module'>[]): readonly Site[] {
  const owners = new Map<string, Value>()
  return found.map((site) => {
    const wanted = moduleName(site)
    const owner = owners.get(wanted) ?? site.weight
    owners.set(wanted, owner)
    // Two weights of one module are told apart by their whole names.
    return { ...site, module: owner === site.weight ? wanted : dotted(site.name) }
  })
}

const dotted = (path: string): string => path.replace(/^\/+/, '').replaceAll(/\/+/g, '.')

function moduleName({ name, node }: Omit<Site, 'module'>): string {
  if (meaningless.test(name)) return withoutOperator(dotted(node.name))
  const path = dotted(name.replace(quantizedEnding, ''))
  const cut = path.lastIndexOf('.')
  // 'layers.0.attn.q_proj.MatMul.weight', as ONNX Runtime GenAI's builder names them.
  return cut > 0 ? withoutOperator(path.slice(0, cut)) : path
}

/** 'layer.0.query.MatMul' as 'layer.0.query'. A node that was written once more, as part of a model, has its operator behind its name twice. */
function withoutOperator(path: string): string {
  const parts = path.split('.')
  while (parts.length > 1 && isAdaptable(parts.at(-1)!.replace(/_\d+$/, ''))) parts.pop()
  return parts.join('.')
}
