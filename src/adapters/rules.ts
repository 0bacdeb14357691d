/**
 * Operators that multiply by a weight, as an adapter sees them: which input holds the weight, how its axes are laid out, and whether a branch beside the
 * node computes the same as a change of the weight. An operator that is not here has no adapter.
 */
import type { Shape } from '../core/shape.ts'
import { type Node, shapeOf } from '../graph/graph.ts'

/**
 * - `product`: y = x W
 * - `convolution`: y = x * W
 * - `lookup`: y = rows of W
 * - `whole`: something else follows inside of the same operator: only the weight itself can be changed
 */
export type Form = 'product' | 'convolution' | 'lookup' | 'whole'

/** How a weight stands in its input. */
export interface Laid {
  /** `[in, out]`, `[out, in]` or `[out, in, ...window]`; of transposed convolutions `[in, out, ...window]` */
  readonly order: 'in-out' | 'out-in'
  readonly inputs: number
  readonly outputs: number
  readonly window: readonly number[]
  /** the operator multiplies the product by this */
  readonly factor: number
  /** channels that see one group of the inputs each; 1 for products */
  readonly groups?: number
}

export interface AdapterRule {
  readonly form: Form
  /** input that holds the weight */
  readonly slot: number
  /** input that holds a bias */
  readonly bias?: number
  /** the weight's layout by its shape, or why this form of the operator has no adapter */
  readonly laid: (node: Node, shape: Shape) => Laid | string
  /** the operator multiplies its own state: only adapters that are asked for by name */
  readonly recurrent?: true
  /** the operator multiplies by packed integers: the weight's shape is said by attributes */
  readonly packed?: true
}

/** A number among a node's attributes. */
export function numberAttribute(node: Node, name: string, fallback: number): number {
  const found = node.attributes[name]
  return found?.kind === 'int' || found?.kind === 'float' ? found.value : fallback
}

function matrix(shape: Shape, isTurned: boolean, factor: number): Laid | string {
  const [first, second] = shape
  if (shape.length !== 2 || typeof first !== 'number' || typeof second !== 'number') {
    return `its weight is no matrix but has ${shape.length} axes`
  }
  const [inputs, outputs] = isTurned ? [second, first] : [first, second]
  return { order: isTurned ? 'out-in' : 'in-out', inputs, outputs, window: [], factor }
}

const product: AdapterRule = { form: 'product', slot: 1, laid: (_, shape) => matrix(shape, false, 1) }

const gemm: AdapterRule = {
  form: 'product',
  slot: 1,
  bias: 2,
  laid: (node, shape) => matrix(shape, numberAttribute(node, 'transB', 0) !== 0, numberAttribute(node, 'alpha', 1)),
}

const convolution: AdapterRule = {
  form: 'convolution',
  slot: 1,
  bias: 2,
  laid: (node, shape) => {
    const [outputs, inputs, ...window] = shape as readonly number[]
    const groups = numberAttribute(node, 'group', 1)
    return { order: 'out-in', inputs: inputs!, outputs: outputs!, window, factor: 1, groups }
  },
}

/** The branch would mix the groups: the weight itself, as it is stored, is changed. */
const groupedConvolution: AdapterRule = { ...convolution, form: 'whole' }

const transposedConvolution: AdapterRule = {
  form: 'whole',
  slot: 1,
  bias: 2,
  laid: (node, shape) => {
    const [inputs, outputs, ...window] = shape as readonly number[]
    const groups = numberAttribute(node, 'group', 1)
    return { order: 'in-out', inputs: inputs!, outputs: outputs!, window, factor: 1, groups }
  },
}

/** `[directions, gates * units, in]`: the outputs of all gates and both directions lie side by side. */
function gates(slot: number): AdapterRule {
  return {
    form: 'whole',
    slot,
    recurrent: true,
    laid: (_, shape) => {
      const [directions, outputs, inputs] = shape as readonly number[]
      if (shape.length !== 3 || typeof inputs !== 'number') return `its weight has ${shape.length} axes`
      return { order: 'out-in', inputs, outputs: directions! * outputs!, window: [], factor: 1 }
    },
  }
}

/** What the inputs and what the state are multiplied by. */
const recurrent: readonly AdapterRule[] = [gates(1), gates(2)]

const lookup: AdapterRule = {
  form: 'lookup',
  slot: 0,
  laid: (node, shape) =>
    numberAttribute(node, 'axis', 0) === 0 ? matrix(shape, false, 1) : 'it looks up along another axis',
}

const packedProduct: AdapterRule = {
  form: 'product',
  slot: 1,
  bias: 5,
  packed: true,
  laid: (node) => ({
    order: 'in-out',
    inputs: numberAttribute(node, 'K', 0),
    outputs: numberAttribute(node, 'N', 0),
    window: [],
    factor: 1,
  }),
}

const rules: Readonly<Record<string, AdapterRule | readonly AdapterRule[]>> = {
  MatMul: product,
  Gemm: gemm,
  Conv: convolution,
  ConvTranspose: transposedConvolution,
  LSTM: recurrent,
  GRU: recurrent,
  RNN: recurrent,
  Gather: lookup,
  'com.microsoft.MatMulNBits': packedProduct,
  // Queries, keys and values are one product inside of the operator.
  'com.microsoft.Attention': { ...product, form: 'whole', bias: 2 },
  'com.microsoft.FusedMatMul': {
    form: 'whole',
    slot: 1,
    laid: (node, shape) =>
      numberAttribute(node, 'transBatchB', 0) === 0
        ? matrix(shape, numberAttribute(node, 'transB', 0) !== 0, 1)
        : "the attribute 'transBatchB' is set",
  },
  'com.microsoft.FusedGemm': {
    ...gemm,
    form: 'whole',
    laid: (node, shape) => matrix(shape, numberAttribute(node, 'transB', 0) !== 0, 1),
  },
  'com.microsoft.FusedConv': { ...convolution, form: 'whole' },
}

const adaptable: ReadonlySet<string> = new Set(Object.keys(rules).map((name) => name.replace('com.microsoft.', '')))

/** True for the names of operators whose weights can have adapters, without their domains. */
export const isAdaptable = (op: string): boolean => adaptable.has(op)

/** `Conv`, `com.microsoft.Attention` */
export function operatorName({ op, domain }: Node): string {
  return domain === '' || domain === 'ai.onnx' ? op : `${domain}.${op}`
}

/** A rule for each weight that the operator takes; none for operators without adapters. */
export function adapterRules(node: Node): readonly AdapterRule[] {
  const name = operatorName(node)
  const found = Object.hasOwn(rules, name) ? rules[name]! : []
  if (found === convolution && numberAttribute(node, 'group', 1) !== 1) return [groupedConvolution]
  return [found].flat()
}

/** Shape of the weight in its input, where it is known. */
export function weightShape(node: Node, rule: AdapterRule): Shape | undefined {
  const value = node.inputs[rule.slot]
  return value?.constant ? value.constant.shape : value?.type?.shape && shapeOf(value)
}
