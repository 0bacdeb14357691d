/** Where the batch jobs of the server that the command line starts are kept, and how many it takes. */
import { resolve } from 'node:path'
import type { ServeConfig } from '../serve/config.ts'
import type { JobsOptions } from '../serve/jobs/jobs.ts'
import { createFileJobs } from '../store/file-jobs.ts'
import type { Access } from './access.ts'
import type { World } from './world.ts'

/** Undefined where nobody has a key: jobs and their results belong to one. */
export function jobsFor(
  { cwd, now }: Pick<World, 'cwd' | 'now'>,
  { jobs }: Pick<ServeConfig, 'jobs'>,
  { kind, isValid }: Access,
): JobsOptions | undefined {
  if (kind === 'public' || jobs.perKey === 0) return undefined
  const files = jobs.files === undefined ? undefined : resolve(cwd, jobs.files)
  return {
    store: createFileJobs(resolve(cwd, jobs.folder), { files }),
    limits: {
      maxFileBytes: jobs.maxFile * 2 ** 20,
      perKey: jobs.perKey,
      running: jobs.running,
      keepMilliseconds: jobs.keep * 3_600_000,
    },
    clock: { now },
    isValid,
  }
}
