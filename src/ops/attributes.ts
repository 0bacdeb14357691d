/** Attributes between the plain values that code writes and the tagged ones that a graph holds. */
import { QuernError, suggestion } from '../core/errors.ts'
import type { Attribute, Attributes } from '../graph/graph.ts'
import type { AttributeReader, AttributeSpec, Op, PlainAttributes } from './op.ts'

/** Tags plain attribute values with the kinds that the record declares; an unknown name is an error. */
export function tagAttributes(op: Op, plain: PlainAttributes): Attributes {
  const specs = op.attributes ?? {}
  return Object.fromEntries(
    Object.entries(plain).map(([name, value]) => {
      const spec = specs[name]
      if (!spec) {
        throw new QuernError('input', `${op.name} has no attribute '${name}'. ${suggestion(name, Object.keys(specs))}`)
      }
      return [name, { kind: spec.kind, value } as Attribute]
    }),
  )
}

/** A reader that falls back to the record's defaults. */
export function readAttributes(op: Op, attributes: Attributes): AttributeReader {
  const read = (name: string, kind: Attribute['kind']): unknown => {
    const found = attributes[name]
    const spec = op.attributes?.[name] as AttributeSpec | undefined
    if (found) {
      if (found.kind === kind) return found.value
      throw new QuernError('input', `attribute '${name}' of ${op.name} must be ${kind}, received ${found.kind}`)
    }
    if (spec?.default !== undefined) return spec.default
    throw new QuernError('input', `${op.name} needs the attribute '${name}' (${kind}), received none`)
  }
  return {
    has: (name) => attributes[name] !== undefined,
    int: (name) => read(name, 'int') as number,
    float: (name) => read(name, 'float') as number,
    string: (name) => read(name, 'string') as string,
    ints: (name) => read(name, 'ints') as readonly number[],
    raw: (name) => attributes[name],
  }
}
