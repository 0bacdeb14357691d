/** What only the scope `admin` may do: make the server read its configuration again. */
import { Hono } from 'hono'
import { QuernError } from '../../core/errors.ts'
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
    return c.json(await reload().catch(toldToAdmin))
  })
  return app
}

/** What is wrong with the configuration or with a bundle that it names is for whoever may change them to mend: they are told why. */
function toldToAdmin(error: unknown): never {
  if (!(error instanceof QuernError) || error.kind === 'io') throw error
  const message = error.hint === undefined ? error.message : `${error.message.replace(/\.$/, '')}. ${error.hint}`
  throw new RequestError(422, `the configuration cannot be used: ${message}`, { cause: error })
}
