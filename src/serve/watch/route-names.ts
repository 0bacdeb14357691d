/** Paths as a few names: what labels of metrics and spans may hold. Whatever strangers type, there are no more of them. */

const names: readonly (readonly [RegExp, string])[] = [
  [/^\/predict(?:\/|$)/, 'predict'],
  [/^\/v2\/models\/[^/]+(?:\/versions\/[^/]+)?\/infer$/, 'infer'],
  [/^\/(?:v2\/health\/|healthz$)/, 'health'],
  [/^\/v2(?:\/|$)/, 'protocol'],
  [/^\/v1\//, 'openai'],
  [/^\/jobs(?:\/|$)/, 'jobs'],
  [/^\/feedback$/, 'feedback'],
  [/^\/metrics$/, 'metrics'],
  [/^\/models\//, 'models'],
  [/^\/admin\//, 'admin'],
]

/** @param what of a passage, such as 'POST /predict/cats', or 'unreadable' */
export function routeName({ kind, what }: { readonly kind: 'http' | 'job'; readonly what: string }): string {
  if (kind === 'job') return 'job'
  if (what === 'unreadable') return what
  const path = what.slice(what.indexOf(' ') + 1)
  for (const [form, name] of names) if (form.test(path)) return name
  return 'other'
}
