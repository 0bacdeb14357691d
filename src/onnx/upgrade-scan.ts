/**
 * Scan of opset 8 went over a batch of sequences: states `[batch, ...]`, sequences `[batch, time, ...]`. Now it is a Scan over the batch, without
 * states, whose body is the Scan over time of one example.
 */
import type { Shape } from '../core/shape.ts'
import type { Attribute, Graph, Node, Value } from '../graph/graph.ts'
import type { NodeForm, UpgradeContext } from './node-form.ts'

const int = (value: number): Attribute => ({ kind: 'int', value })

export function scanOfEachExample(node: NodeForm, c: UpgradeContext): NodeForm {
  const [lengths, ...inputs] = node.inputs
  const { body, directions, num_scan_inputs: sequences } = node.attributes
  if (lengths) return c.fail('its sequences have lengths of their own')
  if (body?.kind !== 'graph') return c.fail("it has no attribute 'body'")
  const attributes = {
    body,
    ...(sequences ? { num_scan_inputs: sequences } : {}),
    ...(directions ? { scan_input_directions: directions } : {}),
  }
  return {
    ...node,
    inputs,
    attributes: {
      body: { kind: 'graph', value: bodyOfExample(body.value, inputs, attributes) },
      num_scan_inputs: int(inputs.length),
    },
  }
}

/** The Scan over time as a graph of one example; what the body reads from outside it goes on reading there. */
function bodyOfExample(body: Graph, batched: NodeForm['inputs'], attributes: Node['attributes']): Graph {
  const own = ({ name, type }: Value, shape: Shape | undefined): Value => ({
    name: `${name}:of_example`,
    type: type && { ...type, shape },
    constant: undefined,
  })
  const inputs = body.inputs.map((value, i) => own(value, batched[i]?.type?.shape?.slice(1)))
  const sequences = attributes.num_scan_inputs?.kind === 'int' ? attributes.num_scan_inputs.value : 0
  const states = inputs.length - sequences
  const time = inputs[states]?.type?.shape?.[0]
  const outputs = body.outputs.map((value, i) => {
    const element = value.type?.shape
    const stacked = element && time !== undefined ? [time, ...element] : undefined
    return own(value, i < states ? inputs[i]!.type?.shape : stacked)
  })
  const scan: Node = { op: 'Scan', domain: '', name: `${body.name}:of_example`, inputs, outputs, attributes }
  return { ...body, name: `${body.name}:of_example`, inputs, outputs, nodes: [scan] }
}
