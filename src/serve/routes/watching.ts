/** What is known of the models at work: measurements for Prometheus, drift, quality, and labels that come after the answer. */
import { Hono } from 'hono'
import { z } from 'zod'
import { parseWith } from '../../contract/parse.ts'
import { bodyOf } from '../body.ts'
import type { AppContext } from '../context.ts'
import type { Gated } from '../gate.ts'
import { jsonFrom } from '../json.ts'
import { RequestError } from '../request-error.ts'
import type { ExampleLabel } from '../watch/example-label.ts'
import type { Feedback } from '../watch/quality-watch.ts'

const [text, number] = [z.string().max(500), z.number()]
const several = z.array(z.union([text, number])).max(10_000)
// One union in the other would be told as 'invalid input'.
const byTarget = z.record(z.string(), z.union([text, number, several, z.null()]))
const label: z.ZodType<ExampleLabel> = z.union([text, number, several, byTarget])

interface GivenFeedback {
  readonly request: string
  /** of a request with one example */
  readonly label?: ExampleLabel | undefined
  /** one for each example; null where it is not known */
  readonly labels?: readonly (ExampleLabel | null)[] | undefined
}

const given = z
  .strictObject({
    request: z.string().min(1).max(128),
    label: label.optional(),
    labels: z.array(label.nullable()).min(1).max(10_000).optional(),
  })
  .refine((one) => (one.label === undefined) !== (one.labels === undefined), "give 'label' or 'labels'")

/** What was right for one request, or for up to a thousand. */
export const feedbackRequest: z.ZodType<GivenFeedback | readonly GivenFeedback[]> = z.union([
  given,
  z.array(given).min(1).max(1000),
])

export function watchingRoutes({ catalog, gate, watching }: AppContext): Hono<Gated> {
  const app = new Hono<Gated>()
  const off = (what: string): RequestError => new RequestError(409, `this server does not watch ${what}`)
  app.get('/metrics', async (c) => {
    if (!watching) throw off('anything')
    const page = await watching.metrics.page(gate.traffic)
    return c.text(page, 200, { 'content-type': watching.metrics.contentType })
  })
  app.get('/models/:model/drift', (c) => {
    if (!watching?.drift) throw off('drift')
    const { drift } = watching
    const model = c.req.param('model')
    const versions = catalog
      .versions(model)
      .map(({ version }) => drift.report(model, version) ?? { model, version, state: 'unloaded' })
    return c.json({ model, versions })
  })
  app.get('/models/:model/shadow', (c) => {
    if (!watching) throw off('anything')
    const model = c.req.param('model')
    catalog.versions(model)
    return c.json({ model, versions: watching.shadows.report(model) })
  })
  app.get('/models/:model/quality', (c) => {
    if (!watching?.quality) throw off('quality')
    const { quality } = watching
    const model = c.req.param('model')
    const versions = catalog.versions(model).flatMap(({ version }) => quality.report(model, version) ?? [])
    return c.json({ model, versions })
  })
  app.post('/feedback', async (c) => {
    if (!watching?.quality) throw off('quality')
    const value = jsonFrom(await bodyOf(c))
    const parsed = parseWith(feedbackRequest, value, 'the request', 'input')
    const list = (Array.isArray(parsed) ? parsed : [parsed]) as readonly GivenFeedback[]
    const feedback = list.map((one): Feedback => ({ request: one.request, labels: one.labels ?? [one.label ?? null] }))
    return c.json({ labelled: await watching.quality.give(c.get('passage').principal!, feedback) })
  })
  return app
}
