/** A graph as text, one node a line, for people and for tests that compare emitted graphs. */
import { formatShape } from '../core/shape.ts'
import type { Attribute, Graph, Value } from './graph.ts'

export function printGraph(graph: Graph): string {
  const lines = [`graph ${graph.name}`]
  for (const value of graph.inputs) lines.push(`  input ${typed(value)}`)
  for (const value of graph.parameters) lines.push(`  parameter ${typed(value)}`)
  for (const node of graph.nodes) {
    const attributes = Object.entries(node.attributes).map(([name, a]) => `${name}=${printAttribute(a)}`)
    const inputs = node.inputs.map((v) => (v ? operand(v) : '_'))
    const outputs = node.outputs.map((v) => (v ? typed(v) : '_'))
    const op = node.domain === '' ? node.op : `${node.domain}.${node.op}`
    lines.push(`  ${outputs.join(', ')} = ${op}(${[...inputs, ...attributes].join(', ')})`)
  }
  lines.push(`  return ${graph.outputs.map((v) => v.name).join(', ')}`)
  return lines.join('\n')
}

function typed(value: Value): string {
  const { type } = value
  return type ? `${value.name}: ${type.dtype}${type.shape ? formatShape(type.shape) : '[...]'}` : `${value.name}: ?`
}

function operand(value: Value): string {
  const { constant } = value
  if (!constant) return value.name
  if (constant.data.length <= 8)
    return `${constant.dtype}${formatShape(constant.shape)}{${Array.from(constant.data as ArrayLike<unknown>).join(' ')}}`
  return `${value.name}${formatShape(constant.shape)}`
}

function printAttribute(attribute: Attribute): string {
  if (attribute.kind === 'graph') return `{ ${printGraph(attribute.value)} }`
  if (attribute.kind === 'tensor') return `${attribute.value.dtype}${formatShape(attribute.value.shape)}`
  if (attribute.kind === 'opaque') return `<${attribute.value.length} bytes>`
  return JSON.stringify(attribute.value)
}
