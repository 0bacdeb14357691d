/** What is in the data, and what is wrong with it, before anything is trained. */
import { renderProfile } from '../evaluate/profile-page.ts'
import type { LoadOptions, Profile } from '../tasks/task.ts'
import type { Project, Services } from './services.ts'

/** Where the profile is kept, from the project's root. */
export const profileFiles = { json: '.quern/profile.json', html: '.quern/profile.html' } as const

/** Reads the data as training would, profiles it, and keeps the profile as JSON and as a page. */
export async function inspectData(
  services: Services,
  project: Project,
  options: Pick<LoadOptions, 'onProgress' | 'signal'> = {},
): Promise<Profile> {
  const { task, config, root } = project
  const data = await task.load(config, { root, cache: services.cache, skipBroken: true, ...options })
  const profile = data.profile()
  const files = services.folder(root)
  const text = new TextEncoder()
  const date = new Date(services.clock.now()).toISOString()
  await files.write(profileFiles.json, text.encode(`${JSON.stringify(profile, null, 2)}\n`))
  await files.write(profileFiles.html, text.encode(renderProfile({ name: project.name, profile, date })))
  return profile
}
