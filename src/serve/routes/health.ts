/** Whether the process lives, and whether new work should be sent to it. */
import { Hono } from 'hono'
import type { AppContext } from '../context.ts'
import type { Gated } from '../gate.ts'

export function healthRoutes({ gate: { traffic }, catalog }: AppContext): Hono<Gated> {
  const app = new Hono<Gated>()
  app.get('/v2/health/live', (c) => c.json({ live: true }))
  // A server that drains still lives, but balancers must stop sending to it.
  for (const path of ['/v2/health/ready', '/healthz']) {
    app.get(path, (c) => {
      const ready = !traffic.draining && catalog.isAble
      return c.json({ ready }, ready ? 200 : 503)
    })
  }
  return app
}
