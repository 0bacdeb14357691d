/** What this server is and what can be asked of it: for people at /, for programs at / and /openapi.json. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'
import type { VersionInfo } from '../catalog.ts'
import type { AppContext } from '../context.ts'
import type { Gated } from '../gate.ts'
import { docsPage } from './docs-page.ts'
import { type Endpoint, endpoints } from './endpoints.ts'
import { openApi } from './openapi.ts'

export function metadataRoutes(context: AppContext): Hono<Gated> {
  const app = new Hono<Gated>()
  app.get('/', (c) => {
    const wantsPage = c.req.header('accept')?.includes('text/html') ?? false
    c.header('vary', 'accept')
    if (!wantsPage) return c.json(listing(context))
    c.header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
    return c.html(page(context, new URL(c.req.url).origin))
  })
  app.get('/openapi.json', (c) => c.json(openApi(context.version)))
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

const authorization = '-H "Authorization: Bearer $KEY"'

const pictureExample = (
  address: string,
): string => `curl ${authorization} -H 'content-type: image/png' --data-binary @picture.png '${address}?topK=3'
curl ${authorization} -F file=@picture.png ${address}`

const rowExample = (
  address: string,
): string => `curl ${authorization} -H 'content-type: text/csv' --data-binary @rows.csv ${address}
curl ${authorization} -F file=@rows.csv ${address}`

/** `html` escapes every value that is put in. */
function page({ catalog, version }: AppContext, origin: string): Page {
  const row = ({ name, version, manifest }: VersionInfo): Page =>
    html`<tr><td><a href="/v2/models/${name}">${name}</a></td><td>${version}</td><td>${manifest.task}</td><td>${manifest.labels.length || ''}</td></tr>`
  const line = ({ method, path, summary }: Endpoint): Page =>
    html`<tr><td><code>${method.toUpperCase()} ${path}</code></td><td>${summary}</td></tr>`
  const first = catalog.all[0]
  const address = `${origin}/predict/${first?.name ?? 'MODEL'}`
  const isTable = first?.manifest.preprocessing.kind === 'table'
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
<pre>${isTable ? rowExample(address) : pictureExample(address)}</pre>
<h2>What can be asked</h2>
<table>${endpoints.map(line)}</table>
<p><a href="/docs">Documentation</a> <a href="/openapi.json">OpenAPI</a></p>
</html>`
}
