/** The elements of a Constant node. Source: ONNX operator Constant, opset 13. */
import { float32, int64, type Tensor, tensor } from '../core/tensor.ts'
import type { Attributes } from '../graph/graph.ts'

/** The tensor of whichever attribute is given; undefined for a sparse value, which stays a node. */
export function constantFromAttributes(attributes: Attributes): Tensor | undefined {
  for (const [name, attribute] of Object.entries(attributes)) {
    const { kind, value } = attribute
    if (name === 'value' && kind === 'tensor') return value
    if (name === 'value_float' && kind === 'float') return float32([], [value])
    if (name === 'value_floats' && kind === 'floats') return float32([value.length], value)
    if (name === 'value_int' && kind === 'int') return int64([], [value])
    if (name === 'value_ints' && kind === 'ints') return int64([value.length], value)
    if (name === 'value_string' && kind === 'string') return tensor('string', [], [value])
    if (name === 'value_strings' && kind === 'strings') return tensor('string', [value.length], [...value])
  }
  return undefined
}
