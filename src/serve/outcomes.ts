/** Answers for many examples of which some may be wrong: each gets an outcome of its own, in order. */
import type { Outcome, PredictInput } from '../bundle/index.ts'
import { QuernError } from '../core/errors.ts'
import type { ModelPipeline } from './catalog.ts'

/** Throws only what is not the fault of an example: the model is busy, the client left, the server failed. */
export async function* outcomesOf(
  pipeline: Pick<ModelPipeline, 'predict' | 'predictEach'>,
  inputs: readonly PredictInput[],
  topK: number,
): AsyncGenerator<Outcome> {
  let done = 0
  try {
    for await (const outcome of pipeline.predictEach(inputs, { topK })) {
      yield outcome
      done++
    }
    return
  } catch (error) {
    if (!isOfExample(error)) throw error
  }
  // One example spoilt the run of all: the rest is computed one by one.
  for (let index = done; index < inputs.length; index++) {
    try {
      yield { index, predictions: await pipeline.predict(inputs[index]!, { topK }) }
    } catch (error) {
      if (!isOfExample(error)) throw error
      yield { index, error }
    }
  }
}

function isOfExample(error: unknown): error is QuernError {
  return error instanceof QuernError && (error.kind === 'input' || error.kind === 'numeric')
}
