/** Predictions for files: pictures, or rows of tables. */

import type { Answer, PredictInput } from '../bundle/task-pipeline.ts'
import { messageOf } from '../core/errors.ts'
import { openModel } from './open-model.ts'
import type { Services } from './services.ts'

export interface NamedPredictInput {
  readonly name: string
  readonly input: PredictInput
  /** of the table that a row stands in */
  readonly folder?: string | undefined
}

export interface PredictFilesInput {
  /** run id, 'latest', or path of a bundle */
  readonly model: string
  readonly inputs: AsyncIterable<NamedPredictInput>
  /** bytes of a file that a row refers to, by its path from the folder of the row's table */
  readonly readFile?: ((path: string, folder: string) => Promise<Uint8Array>) | undefined
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

const refers: ReadonlySet<string> = new Set(['image', 'audio'])

/** The row with the bytes of the files that it names; what cannot be read stays a path, which is an error of its row, and is told. */
async function withBytes(
  { input, folder = '.' }: NamedPredictInput,
  columns: readonly { readonly name: string }[],
  readFile: NonNullable<PredictFilesInput['readFile']>,
  onUnread: (why: string) => void,
): Promise<PredictInput> {
  const row = { ...(input as Readonly<Record<string, unknown>>) }
  for (const { name } of columns) {
    const cell = row[name]
    if (typeof cell !== 'string' || cell === '' || cell.startsWith('data:')) continue
    row[name] = await readFile(cell, folder).catch((error: unknown) => {
      onUnread(`column '${name}': ${cell} cannot be read: ${messageOf(error)}`)
      return cell
    })
  }
  return row
}

/** Answers as they come, in the order of the inputs. */
export async function* predictFiles(
  services: Services,
  { model, inputs, topK, onUnseen, readFile }: PredictFilesInput,
): AsyncGenerator<PredictedFile> {
  const { pipeline, bundle } = await openModel(services, model)
  const { preprocessing } = bundle.manifest
  const referring = preprocessing.kind === 'table' ? preprocessing.columns.filter(({ kind }) => refers.has(kind)) : []
  const names: string[] = []
  /** why a file of a row cannot be read, by the row's place */
  const unread = new Map<number, string>()
  async function* values(): AsyncGenerator<PredictInput> {
    for await (const input of inputs) {
      names.push(input.name)
      const place = names.length - 1
      const onUnread = (why: string): void => void unread.set(place, why)
      yield referring.length > 0 && readFile ? await withBytes(input, referring, readFile, onUnread) : input.input
    }
  }
  try {
    for await (const outcome of pipeline.predictEach(values(), { topK })) {
      const input = names[outcome.index]!
      if ('predictions' in outcome) yield { input, predictions: outcome.predictions }
      else yield { input, error: unread.get(outcome.index) ?? messageOf(outcome.error) }
    }
    onUnseen?.(pipeline.unseen)
  } finally {
    await pipeline.release()
  }
}
