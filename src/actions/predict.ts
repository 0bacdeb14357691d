/** Predictions for files: pictures, or rows of tables. */

import type { Answer, PredictInput } from '../bundle/task-pipeline.ts'
import { messageOf } from '../core/errors.ts'
import { openModel } from './open-model.ts'
import type { Services } from './services.ts'

export interface PredictFilesInput {
  /** run id, 'latest', or path of a bundle */
  readonly model: string
  readonly inputs: AsyncIterable<{ readonly name: string; readonly input: PredictInput }>
  /** answers for each input */
  readonly topK: number
  /** told at the end: values that training has not seen, counted by column */
  readonly onUnseen?: ((counts: ReadonlyMap<string, number>) => void) | undefined
}

/** Either answers, or why there are none: one bad picture does not stop the others. */
export interface PredictedFile {
  readonly input: string
  readonly predictions?: readonly Answer[]
  readonly error?: string
}

/** Answers as they come, in the order of the inputs. */
export async function* predictFiles(
  services: Services,
  { model, inputs, topK, onUnseen }: PredictFilesInput,
): AsyncGenerator<PredictedFile> {
  const { pipeline } = await openModel(services, model)
  const names: string[] = []
  async function* values(): AsyncGenerator<PredictInput> {
    for await (const input of inputs) {
      names.push(input.name)
      yield input.input
    }
  }
  try {
    for await (const outcome of pipeline.predictEach(values(), { topK })) {
      const input = names[outcome.index]!
      if ('predictions' in outcome) yield { input, predictions: outcome.predictions }
      else yield { input, error: messageOf(outcome.error) }
    }
    onUnseen?.(pipeline.unseen)
  } finally {
    await pipeline.release()
  }
}
