/** What is in the data, and what is wrong with it, before anything is trained. */
import type { LoadOptions, Profile } from '../tasks/task.ts'
import type { Project, Services } from './services.ts'

/** Reads the data as training would and profiles it. */
export async function inspectData(
  services: Services,
  project: Project,
  options: Pick<LoadOptions, 'onProgress' | 'signal'> = {},
): Promise<Profile> {
  const { task, config, root } = project
  const data = await task.load(config, { root, cache: services.cache, skipBroken: true, ...options })
  return data.profile()
}
