/** What this server is and what can be asked of it: for people at /, for programs at / and /openapi.json. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'
import type { VersionInfo } from '../catalog.ts'
import type { AppContext } from '../context.ts'
import type { Gated } from '../gate.ts'
import { scopeOf } from '../principal.ts'
import { docsPage } from './docs-page.ts'
import { type Endpoint, endpoints, schemas } from './endpoints.ts'

export function metadataRoutes(context: AppContext): Hono<Gated> {
  const app = new Hono<Gated>()
  app.get('/', (c) => {
    const wantsPage = c.req.header('accept')?.includes('text/html') ?? false
    c.header('vary', 'accept')
    if (!wantsPage) return c.json(listing(context))
    c.header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
    return c.html(page(context, new URL(c.req.url).origin))
  })
  app.get('/openapi.json', (c) => c.json(openApi(context)))
  app.get('/docs', (c) => {
    c.header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
    return c.html(docsPage(context.version, new URL(c.req.url).origin))
  })
  return app
}

function listing({ catalog, version, maxBodyBytes }: AppContext): Record<string, unknown> {
  return {
    server: 'quern',
    version,
    maxBodyBytes,
    models: catalog.all.map(({ name, version, state, manifest }) => ({
      name,
      version,
      state,
      task: manifest.task,
      labels: manifest.labels.length,
      created: manifest.created,
    })),
    endpoints: endpoints.map(({ method, path, summary }) => ({ method: method.toUpperCase(), path, summary })),
  }
}

type Page = HtmlEscapedString | Promise<HtmlEscapedString>

/** `html` escapes every value that is put in. */
function page({ catalog, version }: AppContext, origin: string): Page {
  const row = ({ name, version, manifest }: VersionInfo): Page =>
    html`<tr><td><a href="/v2/models/${name}">${name}</a></td><td>${version}</td><td>${manifest.task}</td><td>${manifest.labels.length}</td></tr>`
  const line = ({ method, path, summary }: Endpoint): Page =>
    html`<tr><td><code>${method.toUpperCase()} ${path}</code></td><td>${summary}</td></tr>`
  const first = catalog.names[0] ?? 'MODEL'
  return html`<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Quern</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
table { border-collapse: collapse } td, th { text-align: left; padding: .2rem 1rem .2rem 0 } pre { overflow: auto }
</style>
<h1>Quern ${version}</h1>
<h2>Models</h2>
<table><tr><th>name</th><th>version</th><th>task</th><th>labels</th></tr>${catalog.all.map(row)}</table>
<h2>Try it</h2>
<pre>curl -H "Authorization: Bearer $KEY" -H 'content-type: image/png' --data-binary @picture.png '${origin}/predict/${first}?topK=3'
curl -H "Authorization: Bearer $KEY" -F file=@picture.png ${origin}/predict/${first}</pre>
<h2>What can be asked</h2>
<table>${endpoints.map(line)}</table>
<p><a href="/docs">Documentation</a> <a href="/openapi.json">OpenAPI</a></p>
</html>`
}

function openApi({ version }: AppContext): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const endpoint of endpoints) {
    paths[endpoint.path] = { ...paths[endpoint.path], [endpoint.method]: operation(endpoint) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Quern', version, description: 'Models behind HTTP.' },
    security: [{ key: [] }],
    paths,
    components: { schemas, securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
  }
}

function operation({ method, path, summary, body, answer, query = [] }: Endpoint): Record<string, unknown> {
  const schema = (name: string): Record<string, unknown> => ({ schema: { $ref: `#/components/schemas/${name}` } })
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const behind = query.map((name) => ({ name, in: 'query', schema: { type: 'integer', minimum: 1 } }))
  const content = Object.fromEntries(Object.entries(body ?? {}).map(([type, name]) => [type, schema(name)]))
  return {
    summary,
    ...(scopeOf(method.toUpperCase(), path) === undefined ? { security: [] } : {}),
    ...(inPath.length + behind.length > 0 ? { parameters: [...inPath, ...behind] } : {}),
    ...(body ? { requestBody: { required: true, content } } : {}),
    responses: {
      200: { description: 'OK', content: { [answer === 'Page' ? 'text/html' : 'application/json']: schema(answer) } },
      default: { description: 'The error in words', content: { 'application/json': schema('Error') } },
    },
  }
}
