/** Predictions for files. */

import type { Prediction } from '../bundle/task-pipeline.ts'
import { messageOf } from '../core/errors.ts'
import { openModel } from './open-model.ts'
import type { Services } from './services.ts'

export interface PredictFilesInput {
  /** run id, 'latest', or path of a bundle */
  readonly model: string
  readonly inputs: AsyncIterable<{ readonly name: string; readonly bytes: Uint8Array }>
  /** answers for each input */
  readonly topK: number
}

/** Either answers, or why there are none: one bad picture does not stop the others. */
export interface PredictedFile {
  readonly input: string
  readonly predictions?: readonly Prediction[]
  readonly error?: string
}

/** Answers as they come, in the order of the inputs. */
export async function* predictFiles(
  services: Services,
  { model, inputs, topK }: PredictFilesInput,
): AsyncGenerator<PredictedFile> {
  const { pipeline } = await openModel(services, model)
  const names: string[] = []
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for await (const input of inputs) {
      names.push(input.name)
      yield input.bytes
    }
  }
  try {
    for await (const outcome of pipeline.predictEach(bytes(), { topK })) {
      const input = names[outcome.index]!
      if ('predictions' in outcome) yield { input, predictions: outcome.predictions }
      else yield { input, error: messageOf(outcome.error) }
    }
  } finally {
    await pipeline.release()
  }
}
