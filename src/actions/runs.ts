/** The runs of a project. */
import type { TrainEvent } from '../contract/events.ts'
import type { RunStatus } from '../store/runs.ts'
import type { Services } from './services.ts'

export interface RunDetails {
  readonly status: RunStatus
  readonly config: unknown
  readonly events: readonly TrainEvent[]
}

/** All runs, newest first. */
export function listRuns(services: Services): Promise<RunStatus[]> {
  return services.runs.list()
}

/** One run by its id, the beginning of it, or 'latest'. */
export async function showRun(services: Services, id: string): Promise<RunDetails> {
  const run = await services.runs.open(id)
  return { status: await run.status(), config: await run.config(), events: await run.events() }
}
