/** Checks of plain values against schemas, with errors that a person can act on: path, what was expected, what came, nearest key. */
import { z } from 'zod'
import { type ErrorKind, nearest, QuernError } from '../core/errors.ts'

/**
 * The value as the schema types it, defaults filled in.
 * Throws one error that lists every problem: unknown keys with the nearest known one, wrong values with what came.
 *
 * @param what names the thing in the message: 'quern.config.ts', 'the request'
 */
export function parseWith<S extends z.ZodType>(
  schema: S,
  value: unknown,
  what: string,
  kind: ErrorKind = 'config',
): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const problems = result.error.issues.flatMap((issue) => describeIssue(issue, schema, value))
  const text =
    problems.length === 1 ? problems[0]! : `${problems.length} problems\n${problems.map((p) => `  - ${p}`).join('\n')}`
  throw new QuernError(kind, `${what}: ${text}`)
}

type Issue = z.core.$ZodIssue

function describeIssue(issue: Issue, schema: z.ZodType, value: unknown): string[] {
  const path = issue.path.map(String)
  const at = path.length === 0 ? '' : `'${path.join('.')}' `
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = keysAt(schema, issue.path, value)
      return issue.keys.map((key) => {
        const near = nearest(key, known)
        const name = [...path, key].join('.')
        return `unknown key '${name}'. ${near ? `Did you mean '${near}'?` : `Known here: ${known.join(', ')}.`}`
      })
    }
    case 'invalid_union': {
      // The alternative that got furthest says what is wrong; "invalid input" says nothing. One that fails on the value itself
      // (another type) was not meant; one that found the right type and an unknown key within was.
      if (issue.errors.length === 0 && issue.path.length > 0) {
        const names = valuesAt(schema, issue.path)
        const received = valueAt(value, issue.path)
        const near = typeof received === 'string' ? nearest(received, names) : undefined
        const expected = names.map((name) => JSON.stringify(name)).join('|')
        const hint = near === undefined ? '' : `. Did you mean '${near}'?`
        return [`${at}expected one of ${expected}, received ${show(received)}${hint}`]
      }
      const alternatives = [...issue.errors].filter((issues) => issues.length > 0)
      const depth = (inner: Issue) => inner.path.length + (inner.code === 'unrecognized_keys' ? 1 : 0)
      const deepest = (issues: readonly Issue[]) => Math.max(...issues.map(depth))
      alternatives.sort((a, b) => deepest(b) - deepest(a))
      const best = alternatives[0]
      if (best && deepest(best) > 0) {
        return best.flatMap((inner) =>
          describeIssue({ ...inner, path: [...issue.path, ...inner.path] } as Issue, schema, value),
        )
      }
      const expected = new Set(alternatives.flat().map((inner) => expectation(inner)))
      const text = [...expected].map((part, i) => (i === 0 ? part : part.replace(/^expected /, ''))).join(' or ')
      return [`${at}${text}, received ${show(valueAt(value, issue.path))}`]
    }
    default: {
      return [`${at}${expectation(issue)}, received ${show(valueAt(value, issue.path))}`]
    }
  }
}

/** Zod's message without what it says of the value that came: we show the value itself. */
function expectation({ message }: Issue): string {
  const text = message.replace(/^Invalid (input|option): /, '').replace(/, received .*$/, '')
  return text.replace(/^Too (big|small): /, '')
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value
  for (const key of path) at = (at as Record<PropertyKey, unknown> | undefined)?.[key]
  return at
}

/** A value as a message shows it. A configuration is code: functions, NaN, 64-bit integers and cycles may stand in it too. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'function') return 'a function'
  const text = typeof value === 'object' || typeof value === 'string' ? jsonOf(value) : String(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch {
    return 'a value that is not JSON'
  }
}

/** Keys of the object schema at a path; of a union those of the alternatives whose fixed values, such as a name, are those of the value, or of all. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[], value: unknown): string[] {
  const given = valueAt(value, path) as Readonly<Record<string, unknown>> | undefined
  const objects = schemasAt(schema, path).filter((s) => s instanceof z.ZodObject)
  const meant = objects.filter(({ shape }) =>
    Object.entries(shape).every(([key, s]) => !(s instanceof z.ZodLiteral) || s.values.has(given?.[key] as never)),
  )
  return [...new Set((meant.length > 0 ? meant : objects).flatMap(({ shape }) => Object.keys(shape)))]
}

/** What may stand where alternatives are told apart. */
function valuesAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  return schemasAt(schema, path).flatMap((s) => (s instanceof z.ZodLiteral ? [...s.values].map(String) : []))
}

/** The schemas at a path; defaults and optionals are looked through, all alternatives of a union count. */
function schemasAt(schema: z.ZodType, path: readonly PropertyKey[]): z.ZodType[] {
  const open = (s: z.ZodType): z.ZodType[] => {
    // What is rewritten before it is checked, such as a name in the place of settings.
    if (s instanceof z.ZodPipe) return open(s.out as z.ZodType)
    if (s instanceof z.ZodUnion) return s.options.flatMap((option) => open(option as z.ZodType))
    const inner = (s as { unwrap?: () => z.ZodType }).unwrap
    return inner && !(s instanceof z.ZodArray) ? open(inner.call(s)) : [s]
  }
  let level = open(schema)
  for (const key of path) {
    level = level.flatMap((s) => {
      if (s instanceof z.ZodObject) return s.shape[key as string] ? open(s.shape[key as string] as z.ZodType) : []
      if (s instanceof z.ZodArray) return open(s.element as z.ZodType)
      if (s instanceof z.ZodRecord) return open(s.valueType as z.ZodType)
      return []
    })
  }
  return level
}
