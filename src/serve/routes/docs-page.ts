/** The endpoints and schemas as a page for people: one answer, no script, nothing from another host. */
import { html } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'
import { scopeOf } from '../principal.ts'
import { type Endpoint, endpoints } from './endpoints.ts'
import { errorsOf, isNotJson } from './openapi.ts'
import { parameters } from './parameters.ts'
import { schemas } from './schemas.ts'

type Page = HtmlEscapedString | Promise<HtmlEscapedString>

/** @param origin where the reader reached the server, for the examples */
export function docsPage(version: string, origin: string): Page {
  const tags = [...new Set(endpoints.map(({ tag }) => tag))]
  return html`<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Quern ${version}: HTTP</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
details { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .4rem; margin: .4rem 0; padding: .4rem .8rem }
summary { cursor: pointer; overflow-wrap: anywhere } summary b { display: inline-block; min-width: 4.2rem }
summary span { opacity: .75 } pre { overflow: auto } dt { font-weight: 600; margin-top: .4rem } dd { margin-left: 1rem } a { color: inherit }
h2 { margin-top: 2rem }
</style>
<h1>Quern ${version}</h1>
<p>Every route but health needs a key: <code>Authorization: Bearer KEY</code> or <code>X-Api-Key: KEY</code>. The same as a file:
<a href="/openapi.json">OpenAPI 3.1</a>. Errors are JSON, <code>{"error": "what is wrong"}</code>, below <code>/v1/</code> in OpenAI's form. Every answer has
<code>X-Request-Id</code>, which the server's log knows.</p>
${tags.map((tag) => [html`<h2>${tag ?? 'Server'}</h2>`, ...endpoints.filter((each) => each.tag === tag).map((each) => route(each, origin))])}
<h2>Schemas</h2>
${Object.entries(schemas).map(([name, schema]) => html`<details><summary>${name}</summary><pre id="${name}">${JSON.stringify(schema, undefined, 2)}</pre></details>`)}
</html>`
}

function route(endpoint: Endpoint, origin: string): Page {
  const { method, path, summary, body = {}, answer, answers = {}, query = [], headers = [] } = endpoint
  const scope = scopeOf(method.toUpperCase(), path)
  const link = (name: string): Page => html`<a href="#${name}">${name}</a>`
  const typed = (types: Readonly<Record<string, string>>): Page[] =>
    Object.entries(types).map(([type, name]) => html`<dd><code>${type}</code>: ${link(name)}</dd>`)
  const named = (names: readonly string[]): Page[] =>
    names.map((name) => html`<dd><code>${name}</code>: ${parameters[name]?.description ?? ''}</dd>`)
  return html`<details><summary><b>${method.toUpperCase()}</b> <code>${path}</code> <span>${summary}</span></summary>
<dl><dt>Scope</dt><dd>${scope ?? 'none: open to everybody'}</dd>
${query.length > 0 ? html`<dt>Behind the ?</dt>${named(query)}` : ''}
${headers.length > 0 ? html`<dt>Headers</dt>${named(headers)}` : ''}
${Object.keys(body).length > 0 ? html`<dt>Body</dt>${typed(body)}` : ''}
<dt>Answer</dt>${typed(isNotJson(endpoint) ? answers : { 'application/json': answer, ...answers })}
<dt>Errors</dt><dd>${errorsOf(endpoint).join(', ') || 'none'}</dd></dl>
<pre>${example(endpoint, origin, scope !== undefined)}</pre></details>`
}

/** A line for a shell. */
function example({ method, path, body = {}, query = [] }: Endpoint, origin: string, needsKey: boolean): string {
  const key = needsKey ? ' -H "Authorization: Bearer $KEY"' : ''
  const verb = method === 'get' ? '' : ` -X ${method.toUpperCase()}`
  const isJob = path === '/jobs' && method === 'post'
  const sent = isJob
    ? " -H 'content-type: text/csv' -T rows.csv"
    : 'image/png' in body
      ? ' -F file=@picture.png'
      : 'application/json' in body
        ? " -H 'content-type: application/json' --data @body.json"
        : ''
  const asked = isJob ? '?model=MODEL' : query.includes('topK') ? '?topK=3' : ''
  return `curl${verb}${key}${sent} '${origin}${path}${asked}'`
}
