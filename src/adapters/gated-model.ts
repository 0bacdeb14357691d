/**
 * A base with the numbers of several adapters beside its weights, and one more input that says which of them each row has: a file that any runtime opens once and
 * that answers for all of them, rows of different ones in one batch.
 */
import { QuernError } from '../core/errors.ts'
import { exactly } from '../core/patterns.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { substituteAll } from '../graph/substitute.ts'
import { adaptGraphByInputs, gateInput } from './adapt-graph.ts'
import { type Adapter, type BaseOptions, checkBase } from './adapter.ts'
import { lora } from './lora.ts'
import type { LoraConfig } from './lora-config.ts'
import type { PlacedSite } from './method.ts'
import { type AdapterChoice, besideEachOther, gateOf, requireLora } from './open-adapters.ts'
import { placedSites } from './write.ts'

export interface GatedModel {
  /** takes the input `adapter_gate`, float32 `[batch, sum of the ranks]`, besides the base's */
  readonly graph: Graph
  /** What that input holds for so many rows of one adapter; of undefined, for the base as it is. */
  gate(choice: AdapterChoice, rows: number): Tensor
}

/**
 * The base with all of these adapters. Only LoRA, also rank-stabilised; the ranks may differ.
 *
 * Errors: 'unsupported' for other adapters, and for weights that multiply something else than a row for each example; 'input' for adapters of another base.
 */
export async function gatedModel(
  graph: Graph,
  adapters: Readonly<Record<string, Adapter>>,
  { anyBase = false }: BaseOptions = {},
): Promise<GatedModel> {
  const names = Object.keys(adapters).toSorted()
  const targets = new Set<string>()
  for (const name of names) {
    const { method, base } = adapters[name]!
    requireLora(method)
    const sites = placedSites(graph.nodes, method)
    if (!anyBase) await checkBase({ base }, sites)
    for (const site of sites) targets.add(requireRows(site, graph, name))
  }
  const chosen = names.map((name) => adapters[name]!)
  const made = adaptGraphByInputs(graph, lora({ rank: 1, targets: [...targets].map(exactly) }))
  const constants = besideEachOther(made.parameters, chosen)
  const total = chosen.reduce((sum, { method }) => sum + (method.config as unknown as LoraConfig).rank, 0)
  const rows = graph.inputs[0]?.type?.shape?.[0] ?? 1
  const replaced = new Map<Value, Value>()
  for (const value of made.graph.inputs) {
    const constant = constants[value.name]
    if (constant) replaced.set(value, { ...value, type: { dtype: constant.dtype, shape: constant.shape }, constant })
    else if (value.name === gateInput)
      replaced.set(value, { ...value, type: { dtype: 'float32', shape: [rows, total] } })
  }
  const inputs = made.graph.inputs.map((value) => replaced.get(value) ?? value).filter((value) => !value.constant)
  return {
    graph: { ...substituteAll(made.graph, replaced), inputs },
    gate: (choice, rows) => gateOf(new Array<AdapterChoice>(rows).fill(choice), names, chosen),
  }
}

/** The gate has a row for each example: so must what the weight multiplies. */
function requireRows({ node, rule, name: weight }: PlacedSite, graph: Graph, name: string): string {
  const rows = graph.inputs[0]?.type?.shape?.[0]
  const flowing = node.inputs[rule.form === 'lookup' ? 1 : 0]
  if (rows !== undefined && flowing?.type?.shape?.[0] === rows) return weight
  throw new QuernError(
    'unsupported',
    `the adapter '${name}' cannot be chosen by requests: '${weight}' does not multiply a row for each example`,
    { hint: 'Serve a bundle that has taken it up: quern train --adapter, or mergeAdapter.' },
  )
}
