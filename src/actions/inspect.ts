/** What is in the data, and what is wrong with it, before anything is trained. */
import type { ImageProfile } from '../data/image-profile.ts'
import { profileImages } from '../data/profile.ts'
import type { LoadOptions } from '../tasks/task.ts'
import type { Project, Services } from './services.ts'

/** Reads the data as training would and profiles it. */
export async function inspectData(
  services: Services,
  project: Project,
  options: Pick<LoadOptions, 'onProgress' | 'signal'> = {},
): Promise<ImageProfile> {
  const { task, config, root } = project
  const { splits, report, originals } = await task.load(config, {
    root,
    cache: services.cache,
    skipBroken: true,
    ...options,
  })
  return profileImages({ splits, report, ...(originals ? { originals } : {}) })
}
