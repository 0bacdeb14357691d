/** Attributes between the plain values that code writes and the tagged ones that a graph holds. */
import { QuernError, suggestion } from '../core/errors.ts'
import type { Attribute, Attributes, Graph } from '../graph/graph.ts'
import type { AttributeReader, AttributeSpec, Op, PlainAttributes } from './op.ts'

/** What a plain value must be to be an attribute of a kind. */
const fits: Readonly<Record<string, (value: unknown) => boolean>> = {
  int: Number.isInteger,
  float: (value) => typeof value === 'number',
  string: (value) => typeof value === 'string',
  ints: (value) => Array.isArray(value) && value.every(Number.isInteger),
  floats: (value) => Array.isArray(value) && value.every((item) => typeof item === 'number'),
  strings: (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
}

/** Tags plain attribute values with the kinds that the record declares; an unknown name or another kind of value is an error. */
export function tagAttributes(op: Op, plain: PlainAttributes): Attributes {
  const specs = op.attributes ?? {}
  return Object.fromEntries(
    Object.entries(plain).map(([name, value]) => {
      const spec = Object.hasOwn(specs, name) ? specs[name] : undefined
      if (!spec) {
        const known = Object.keys(specs)
        const help = known.length === 0 ? 'It has none.' : suggestion(name, known)
        throw new QuernError('input', `${op.name} has no attribute '${name}'. ${help}`)
      }
      if (fits[spec.kind]?.(value) === false) {
        throw new QuernError(
          'input',
          `attribute '${name}' of ${op.name} must be ${spec.kind}, received ${JSON.stringify(value)}`,
        )
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
    graph: (name) => read(name, 'graph') as Graph,
    raw: (name) => attributes[name],
  }
}
