/** Whether every operator of a graph is one that Quern knows: the check before a model is trained. */
import { nearest, QuernError, suggestion } from '../core/errors.ts'
import type { Graph, Node } from '../graph/graph.ts'
import { newestOpset, type OpTable } from '../ops/op.ts'
import { domainName } from './codes.ts'
import { isCurrentForm } from './upgrade.ts'

/**
 * Throws at the first node, sub-graphs included, whose operator the table does not know, whose form is that of another
 * opset, or whose attributes the record does not describe.
 */
export function checkOperators(graph: Graph, opsets: Readonly<Record<string, number>>, table: OpTable): void {
  for (const node of graph.nodes) {
    checkNode(node, opsets[domainName(node.domain)] ?? 1, table)
    for (const attribute of Object.values(node.attributes)) {
      if (attribute.kind === 'graph') checkOperators(attribute.value, opsets, table)
    }
  }
}

function checkNode(node: Node, version: number, table: OpTable): void {
  const domain = domainName(node.domain)
  const name = domain === '' ? node.op : `${domain}.${node.op}`
  const record = table.get(domain, node.op)
  if (!record) {
    const near = nearest(node.op, table.names())
    throw new QuernError(
      'unsupported',
      `operator ${name} of opset ${version} is not supported; at node '${node.name}'`,
      {
        hint:
          near === undefined
            ? 'Such a model can be run and served, but not trained.'
            : `The nearest known operator is ${near}.`,
      },
    )
  }
  if (domain === '' && !isCurrentForm(node.op, version)) {
    throw new QuernError(
      'unsupported',
      `operator ${name} at node '${node.name}' has the form of opset ${version}, which is not the one that Quern knows`,
      {
        hint:
          version > newestOpset
            ? `Export the model with opset ${newestOpset} or an older one.`
            : 'Read the model with upgrades.',
      },
    )
  }
  const specs = record.attributes ?? {}
  for (const [attribute, { kind }] of Object.entries(node.attributes)) {
    const spec = specs[attribute]
    if (!spec) {
      throw new QuernError(
        'unsupported',
        `operator ${name} has no attribute '${attribute}'; at node '${node.name}'. ${suggestion(attribute, Object.keys(specs))}`,
      )
    }
    if (spec.kind !== kind) {
      throw new QuernError(
        'input',
        `attribute '${attribute}' of operator ${name} must be ${spec.kind}, received ${kind}; at node '${node.name}'`,
      )
    }
  }
}
