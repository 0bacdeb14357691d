/** THE table of what tasks add to the pipeline. */
import type { Manifest } from '../contract/manifest.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import { imageClassification } from './image-classification.ts'
import { tabularClassification, tabularMultilabel, tabularRegression } from './tabular.ts'
import type { TaskPipeline } from './task-pipeline.ts'

const tasks: readonly TaskPipeline[] = [
  imageClassification,
  tabularClassification,
  tabularRegression,
  tabularMultilabel,
]

/** The record of a manifest's task. Throws `unsupported` with the nearest known one. */
export function taskPipelineOf({ task }: Pick<Manifest, 'task'>, what: string): TaskPipeline {
  const found = tasks.find((record) => record.task === task)
  if (found) return found
  const known = tasks.map((record) => record.task)
  throw new QuernError('unsupported', `${what}: unknown task '${task}'. ${suggestion(task, known)}`)
}
