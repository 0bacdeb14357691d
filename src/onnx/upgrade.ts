/**
 * Brings a node from the opset of its file to the one that Quern writes (ops/op.ts), one version after the other. Which
 * versions changed what stands in upgrades.ts.
 */

import { opset } from '../ops/op.ts'
import type { NodeForm, Upgrade, UpgradeContext } from './node-form.ts'
import { upgrades } from './upgrades.ts'

const byOp = new Map<string, Map<number, Upgrade['apply']>>()
for (const { ops, since, apply } of upgrades) {
  for (const op of ops) byOp.set(op, (byOp.get(op) ?? new Map()).set(since, apply))
}

/** Operators that a newer opset than Quern's gave another form: their present form is not the one that ops/ describes. */
const changedLater = new Map([['GroupNormalization', 21]])

/** Whether a standard operator of a file's opset has the form that ops/ describes. */
export function isCurrentForm(op: string, version: number): boolean {
  if (version >= (changedLater.get(op) ?? Number.POSITIVE_INFINITY)) return false
  return ![...(byOp.get(op)?.keys() ?? [])].some((since) => since > version && since <= opset)
}

/** The present form of a standard operator's node. */
export function upgradeNode(node: NodeForm, version: number, context: UpgradeContext): NodeForm {
  let form = node
  for (let next = version + 1; next <= opset; next++) {
    const apply = byOp.get(form.op)?.get(next)
    if (apply) form = apply(form, context)
  }
  return form
}
