/**
 * `POST /predict` and `/predict/{model}`: a picture in any of the forms that clients have at hand, or rows of a table; labels with scores out, or
 * estimates. One input gives `[{ label, score }, ...]`; several, a file of rows, or a field named for several, give a list of such lists.
 */
import { type Context, Hono } from 'hono'
import type { Pipeline } from '../../bundle/index.ts'
import { headerOf } from '../connection.ts'
import type { AppContext } from '../context.ts'
import type { Gated } from '../gate.ts'
import { type ModelInUse, useModel } from '../models.ts'
import { outcomesOf } from '../outcomes.ts'
import { namedFailure, readPredictBody, topKFrom } from '../predict-body.ts'
import { inputErrorsAs } from '../request-error.ts'
import { resultLines } from '../result-lines.ts'

/** For one example. */
type Answers = Awaited<ReturnType<Pipeline['predict']>>

export function predictRoutes({ catalog }: AppContext): Hono<Gated> {
  const app = new Hono<Gated>()
  const use = (c: Context<Gated>, name: string): ModelInUse | Promise<ModelInUse> =>
    useModel(catalog, c.get('passage'), name, c.req.query('version'))
  app.post('/predict', async (c) => predict(c, await use(c, catalog.only())))
  app.post('/predict/:model', async (c) => predict(c, await use(c, c.req.param('model'))))
  return app
}

async function predict(c: Context<Gated>, model: ModelInUse): Promise<Response> {
  const body = await readPredictBody(c, model)
  const topK = body.topK ?? topKFrom(c.req.query('topK')) ?? 5
  const answers: Answers[] = []
  // The request was understood; that the model cannot use what is in it is another kind of wrong.
  await inputErrorsAs(422, async () => {
    if (!body.many) answers.push(await model.pipeline.predict(body.inputs[0]!, { topK }))
    else {
      for await (const outcome of outcomesOf(model.pipeline, body.inputs, topK)) {
        if ('error' in outcome) throw namedFailure(body, outcome.index, outcome.error)
        answers.push(outcome.predictions)
      }
    }
  })
  c.header('vary', 'accept')
  if (!wantsCsv(c)) return c.json(body.many ? answers : answers[0]!)
  const results = resultLines({ results: 'csv', topK, manifest: model.manifest })
  const lines = answers.map((predictions, i) => results.line({ row: i + 1, predictions }))
  return c.body(results.header + lines.join(''), 200, { 'content-type': 'text/csv; charset=utf-8' })
}

/** JSON unless only CSV was asked for. */
function wantsCsv(c: Context<Gated>): boolean {
  const accept = headerOf(c, 'accept') ?? ''
  return /\btext\/csv\b/.test(accept) && !/\bapplication\/json\b/.test(accept)
}
