/** What an upgrade sees of a node, and the record of one. The records stand in upgrades.ts. */
import type { Tensor } from '../core/tensor.ts'
import type { Attributes, Value } from '../graph/graph.ts'

/** A node on its way: what it does to which inputs. Its outputs stay the same values, but that it may lose the last ones. */
export interface NodeForm {
  readonly op: string
  readonly inputs: readonly (Value | undefined)[]
  readonly attributes: Attributes
  /** outputs that the node has, left-out ones between them counted */
  readonly outputCount: number
}

export interface UpgradeContext {
  /** a new constant; the suffix makes its name: 'conv_1:axes' */
  constant(value: Tensor, suffix: string): Value
  /** a new node in front of the one that is upgraded; returns its output */
  before(op: string, inputs: readonly (Value | undefined)[], attributes?: Attributes): Value
  /** the node has no present form, because */
  fail(reason: string): never
}

/** What one version changed in some operators. */
export interface Upgrade {
  readonly ops: readonly string[]
  /** opset that brought the new form */
  readonly since: number
  readonly apply: (node: NodeForm, context: UpgradeContext) => NodeForm
}
