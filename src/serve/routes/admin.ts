/** What only the scope `admin` may do: make the server read its configuration again. */
import { Hono } from 'hono'
import type { AppContext } from '../context.ts'
import type { Gated } from '../gate.ts'
import { RequestError } from '../request-error.ts'

export function adminRoutes({ catalog, reload }: AppContext): Hono<Gated> {
  const app = new Hono<Gated>()
  app.get('/admin/models', (c) => {
    const models = catalog.all.map(({ name, version, state, reason, users, bytes }) => {
      return { name, version, state, reason, users, bytes }
    })
    return c.json({ models, aliases: Object.fromEntries(catalog.names.map((name) => [name, catalog.aliases(name)])) })
  })
  app.post('/admin/reload', async (c) => {
    if (!reload) throw new RequestError(409, 'this server has no configuration that it could read again')
    return c.json(await reload())
  })
  return app
}
