/** THE table of tasks. */
import { QuernError, suggestion } from '../core/errors.ts'
import { type ImageClassificationInput, imageClassification } from './image-classification.ts'
import { tabularClassification } from './tabular-classification.ts'
import type { TabularInput } from './tabular-config.ts'
import { tabularMultilabel } from './tabular-multilabel.ts'
import { tabularRegression } from './tabular-regression.ts'
import type { Task } from './task.ts'

export const tasks: readonly Task[] = [
  imageClassification as unknown as Task,
  tabularClassification as unknown as Task,
  tabularRegression as unknown as Task,
  tabularMultilabel as unknown as Task,
]

/** What quern.config.ts may hold, for every task. */
export type ProjectInput =
  | ImageClassificationInput
  | TabularInput<'tabular-classification'>
  | TabularInput<'tabular-regression'>
  | TabularInput<'tabular-multilabel'>

/** A task by name. Throws `config` with the nearest known one. */
export function taskNamed(name: unknown): Task {
  const found = tasks.find((task) => task.name === name)
  if (found) return found
  const known = tasks.map((task) => task.name)
  if (name === undefined) throw new QuernError('config', `the configuration needs a task: ${known.join(', ')}`)
  throw new QuernError('config', `unknown task ${JSON.stringify(name)}. ${suggestion(String(name), known)}`)
}
