/**
 * Brings a node from the opset of its file to the form that ops/ describes, one version after the other. Which versions changed what stands
 * in upgrades.ts. Forms of opset 20 hold up to the newest one, but for those that have a record there.
 */

import { newestOpset } from '../ops/op.ts'
import type { NodeForm, Upgrade, UpgradeContext } from './node-form.ts'
import { upgrades } from './upgrades.ts'

const byOp = new Map<string, Map<number, Upgrade['apply']>>()
for (const { ops, since, apply } of upgrades) {
  for (const op of ops) byOp.set(op, (byOp.get(op) ?? new Map()).set(since, apply))
}

/** Whether a standard operator of a file's opset has the form that ops/ describes. */
export function isCurrentForm(op: string, version: number): boolean {
  return version <= newestOpset && ![...(byOp.get(op)?.keys() ?? [])].some((since) => since > version)
}

/** The present form of a standard operator's node. */
export function upgradeNode(node: NodeForm, version: number, context: UpgradeContext): NodeForm {
  let form = node
  for (let next = version + 1; next <= newestOpset; next++) {
    const apply = byOp.get(form.op)?.get(next)
    if (apply) form = apply(form, context)
  }
  return form
}
