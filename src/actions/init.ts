/** A new project: a configuration, a README and nothing hidden. */
import { modelName } from '../contract/config.ts'
import { QuernError } from '../core/errors.ts'
import { taskNamed } from '../tasks/index.ts'
import type { Services } from './services.ts'

export interface InitInput {
  readonly folder: string
  readonly task: string
  /** default: the folder's name */
  readonly name?: string
  /** where the data is, relative to the folder; default: what the task's own starter says */
  readonly source?: string
  /** the column to be answered, of tasks on tables */
  readonly target?: string
}

/** Writes the starting files. Files that are there already are never replaced: an error names them. */
export async function initProject(services: Services, input: InitInput): Promise<{ files: string[] }> {
  const { folder, source, target } = input
  const base = folder.split(/[\\/]/).findLast((part) => part !== '' && part !== '.') ?? 'my-app'
  const name = input.name ?? (base.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'my-app')
  if (!modelName.test(name)) {
    throw new QuernError(
      'config',
      `a model's name is letters, digits, dots, dashes and underscores, received ${JSON.stringify(name)}`,
    )
  }
  const files = services.folder(folder)
  const starter = taskNamed(input.task).starter({ source, name, target })
  const present: string[] = []
  for (const path of Object.keys(starter)) if (await files.exists(path)) present.push(path)
  if (present.length > 0) {
    throw new QuernError('config', `${folder} already has ${present.join(', ')}; nothing was written`, {
      hint: 'Choose another folder, or move these files away.',
    })
  }
  for (const [path, text] of Object.entries(starter)) await files.write(path, new TextEncoder().encode(text))
  return { files: Object.keys(starter) }
}
