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
  /** `[in, out]`, `[out, in]` or `[out, in, ...window]` */
  readonly order: 'in-out' | 'out-in'
  readonly inputs: number
  readonly outputs: number
  readonly window: readonly number[]
  /** the operator multiplies the product by this */
  readonly factor: number
}

export interface AdapterRule {
  readonly form: Form
  /** input that holds the weight */
  readonly slot: number
  /** input that holds a bias */
  readonly bias?: number
  /** the weight's layout by its shape, or why this form of the operator has no adapter */
  readonly laid: (node: Node, shape: Shape) => Laid | string
  /** the operator multiplies by packed integers: the weight's shape is said by attributes */
  readonly packed?: true
}

function numberAt(node: Node, name: string, fallback: number): number {
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
  laid: (node, shape) => matrix(shape, numberAt(node, 'transB', 0) !== 0, numberAt(node, 'alpha', 1)),
}

const convolution: AdapterRule = {
  form: 'convolution',
  slot: 1,
  bias: 2,
  laid: (node, shape) => {
    const group = numberAt(node, 'group', 1)
    if (group !== 1) return `it has ${group} groups`
    const [outputs, inputs, ...window] = shape as readonly number[]
    return { order: 'out-in', inputs: inputs!, outputs: outputs!, window, factor: 1 }
  },
}

const lookup: AdapterRule = {
  form: 'lookup',
  slot: 0,
  laid: (node, shape) => (numberAt(node, 'axis', 0) === 0 ? matrix(shape, false, 1) : 'it looks up along another axis'),
}

const packedProduct: AdapterRule = {
  form: 'product',
  slot: 1,
  packed: true,
  laid: (node) => ({
    order: 'in-out',
    inputs: numberAt(node, 'K', 0),
    outputs: numberAt(node, 'N', 0),
    window: [],
    factor: 1,
  }),
}

const rules: Readonly<Record<string, AdapterRule>> = {
  MatMul: product,
  Gemm: gemm,
  Conv: convolution,
  Gather: lookup,
  'com.microsoft.MatMulNBits': packedProduct,
  // Queries, keys and values are one product inside of the operator.
  'com.microsoft.Attention': { ...product, form: 'whole', bias: 2 },
  'com.microsoft.FusedMatMul': {
    form: 'whole',
    slot: 1,
    laid: (node, shape) =>
      numberAt(node, 'transBatchB', 0) === 0
        ? matrix(shape, numberAt(node, 'transB', 0) !== 0, 1)
        : "the attribute 'transBatchB' is set",
  },
  'com.microsoft.FusedGemm': {
    ...gemm,
    form: 'whole',
    laid: (node, shape) => matrix(shape, numberAt(node, 'transB', 0) !== 0, 1),
  },
  'com.microsoft.FusedConv': { ...convolution, form: 'whole' },
}

/** `Conv`, `com.microsoft.Attention` */
export function operatorName({ op, domain }: Node): string {
  return domain === '' || domain === 'ai.onnx' ? op : `${domain}.${op}`
}

export function adapterRule(node: Node): AdapterRule | undefined {
  const name = operatorName(node)
  return Object.hasOwn(rules, name) ? rules[name] : undefined
}

/** Shape of the weight in its input, where it is known. */
export function weightShape(node: Node, rule: AdapterRule): Shape | undefined {
  const value = node.inputs[rule.slot]
  return value?.constant ? value.constant.shape : value?.type?.shape && shapeOf(value)
}
