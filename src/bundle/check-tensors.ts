/** Comparisons of tensors and graphs with what a manifest says, before a runtime sees them. */
import type { Manifest, Port } from '../contract/manifest.ts'
import { type DType, dtypes, storageLength } from '../core/dtype.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import { formatShape, type Shape, sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import type { NamedTensors, PortInfo } from '../runtime/backend.ts'
import { modelFile } from './file-names.ts'

/** Names, types and sizes of what is fed; every input must have the same number of examples, at least one. */
export function checkInputs(tensors: NamedTensors, { inputs, name }: Manifest): void {
  let batch: number | undefined
  for (const port of inputs) {
    const tensor = tensors[port.name]
    if (!tensor) {
      const given = Object.keys(tensors).join(', ') || 'none'
      throw new QuernError('input', `model '${name}' needs the input '${port.name}', received ${given}`)
    }
    checkTensor(tensor, port)
    batch ??= tensor.shape[0]
    if (tensor.shape[0] !== batch) {
      throw new QuernError(
        'input',
        `all inputs must hold as many examples: '${inputs[0]!.name}' has ${batch}, '${port.name}' has ${tensor.shape[0]}`,
      )
    }
  }
  for (const given in tensors) {
    if (inputs.some((port) => port.name === given)) continue
    const known = inputs.map((port) => port.name)
    throw new QuernError('input', `model '${name}' has no input '${given}'. ${suggestion(given, known)}`)
  }
}

function checkTensor({ dtype, shape, data }: Tensor, port: Port): void {
  if (dtype !== port.dtype) {
    throw new QuernError('input', `input '${port.name}' must be ${port.dtype}, received ${dtype}`)
  }
  if (!fits(port.shape, shape)) {
    throw new QuernError(
      'input',
      `input '${port.name}' must have the shape ${formatShape(port.shape)}, received ${formatShape(shape)}`,
    )
  }
  if (!shape.every((dim) => Number.isInteger(dim) && dim > 0)) {
    throw new QuernError('input', `input '${port.name}' must hold an example, received the shape ${formatShape(shape)}`)
  }
  const { array } = dtypes[dtype]
  const isRightArray = array === undefined ? Array.isArray(data) : data instanceof array
  const expected = storageLength(dtype, sizeOf(shape))
  if (isRightArray && data.length === expected) return
  throw new QuernError(
    'input',
    `input '${port.name}' of shape ${formatShape(shape)} needs ${expected} elements in ${array?.name ?? 'an array of strings'}, ` +
      `received ${data.length} in ${data.constructor.name}`,
  )
}

export function checkOutputs(names: readonly string[], { outputs, name }: Manifest): void {
  for (const asked of names) {
    if (outputs.some((port) => port.name === asked)) continue
    const known = outputs.map((port) => port.name)
    throw new QuernError('input', `model '${name}' has no output '${asked}'. ${suggestion(asked, known)}`)
  }
}

/** The graph's ports must be those of the manifest, in names, types and all sizes but the batch. */
export function comparePorts(
  ports: readonly Port[],
  found: readonly PortInfo[],
  kind: 'input' | 'output',
  what: string,
): void {
  const wrong = (message: string): QuernError =>
    new QuernError('input', `${what}: ${modelFile} is not the model that quern.json describes: ${message}`)
  const names = found.map(({ name }) => name).join(', ') || 'none'
  for (const port of ports) {
    const real = found.find(({ name }) => name === port.name)
    if (!real) throw wrong(`expected the ${kind} '${port.name}', found ${names}`)
    const { dtype, shape } = real
    if (dtype === port.dtype && shape !== undefined && fits(port.shape, shape)) continue
    const expected = `${port.dtype}${formatShape(port.shape)}`
    throw wrong(`${kind} '${port.name}': expected ${expected}, found ${typeText(dtype, shape)}`)
  }
  if (kind === 'input' && found.length !== ports.length) {
    throw wrong(`expected ${ports.length} input(s), found ${names}`)
  }
}

function typeText(dtype: DType | undefined, shape: Shape | undefined): string {
  return `${dtype ?? 'no tensor'}${shape === undefined ? '' : formatShape(shape)}`
}

/** A size that is a name on either side may be any. */
function fits(expected: Shape, found: Shape): boolean {
  if (expected.length !== found.length) return false
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [expected[i]!, found[i]!]
    if (a !== b && typeof a === 'number' && typeof b === 'number') return false
  }
  return true
}
