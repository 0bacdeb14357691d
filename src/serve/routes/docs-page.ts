/** The endpoints and schemas as a page for people: one answer, no script, nothing from another host. */
import { html } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'
import { scopeOf } from '../principal.ts'
import { type Endpoint, endpoints, schemas } from './endpoints.ts'

type Page = HtmlEscapedString | Promise<HtmlEscapedString>

/** @param origin where the reader reached the server, for the examples */
export function docsPage(version: string, origin: string): Page {
  return html`<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Quern ${version}: HTTP</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
details { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .4rem; margin: .4rem 0; padding: .4rem .8rem }
summary { cursor: pointer; overflow-wrap: anywhere } summary b { display: inline-block; min-width: 3.2rem }
summary span { opacity: .75 } pre { overflow: auto } dt { font-weight: 600 } a { color: inherit }
</style>
<h1>Quern ${version}</h1>
<p>Every route but health needs a key: <code>Authorization: Bearer KEY</code>. The same as a file: <a href="/openapi.json">OpenAPI 3.1</a>.
Errors are JSON, <code>{"error": "what is wrong"}</code>, below <code>/v1/</code> in OpenAI's form.</p>
<h2>Routes</h2>
${endpoints.map((endpoint) => route(endpoint, origin))}
<h2>Schemas</h2>
${Object.entries(schemas).map(([name, schema]) => html`<details id="${name}"><summary>${name}</summary><pre>${JSON.stringify(schema, undefined, 2)}</pre></details>`)}
</html>`
}

function route({ method, path, summary, body = {}, answer, query = [] }: Endpoint, origin: string): Page {
  const verb = method.toUpperCase()
  const scope = scopeOf(verb, path)
  const link = (name: string): Page => html`<a href="#${name}">${name}</a>`
  const bodies = Object.entries(body).map(([type, name]) => html`<dd><code>${type}</code>: ${link(name)}</dd>`)
  const header = scope === undefined ? '' : ' -H "Authorization: Bearer $KEY"'
  const sent = 'application/json' in body ? ` -H 'content-type: application/json' --data @body.json` : ''
  return html`<details><summary><b>${verb}</b> <code>${path}</code> <span>${summary}</span></summary>
<dl><dt>Scope</dt><dd>${scope ?? 'none: open to everybody'}</dd>
${query.length > 0 ? html`<dt>Behind the ?</dt><dd><code>${query.join(', ')}</code></dd>` : ''}
${bodies.length > 0 ? html`<dt>Body</dt>${bodies}` : ''}
<dt>Answer</dt><dd>${link(answer)}</dd></dl>
<pre>curl${method === 'post' ? ' -X POST' : ''}${header}${sent} '${origin}${path}'</pre></details>`
}
