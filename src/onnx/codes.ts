/** Codes of the ONNX format that stand in the files as numbers. Codes of element types are in core/dtype.ts. */

/** AttributeProto.AttributeType: which field of an attribute holds its value. */
export const attributeCodes = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparseTensor: 11,
  sparseTensors: 12,
  type: 13,
  types: 14,
} as const

/** TensorProto.DataLocation */
export const externalLocation = 1

/** The standard operators have two names for their domain. */
export function domainName(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain
}
