/** A run over its life: what can be resumed, where checkpoints are, and the state that it is left in. */
import { messageOf, QuernError } from '../core/errors.ts'
import type { Run } from '../store/runs.ts'
import type { CheckpointKind, CheckpointStore } from '../train/checkpoint.ts'
import type { Services } from './services.ts'
import type { TrainResult } from './write-results.ts'

const checkpointKey = (kind: CheckpointKind): string => `checkpoints/${kind}.safetensors`

function hasCheckpoint({ files }: Run): Promise<boolean> {
  return files.exists(checkpointKey('last'))
}

/** Checkpoints as files of the run. */
export function checkpointsOf({ files }: Run): CheckpointStore {
  return {
    write: (kind, bytes) => files.write(checkpointKey(kind), bytes),
    read: async (kind) => ((await files.exists(checkpointKey(kind))) ? files.read(checkpointKey(kind)) : undefined),
  }
}

/** The run to go on with. Checked before the data is read, which may take minutes. */
export async function resumable(services: Services, name: string): Promise<Run> {
  const run = await services.runs.open(name === 'latest' ? await newestUnfinished(services) : name)
  const { state, process } = await run.status()
  if (state === 'running') {
    const who = process ? ` (process ${process.pid} on ${process.host})` : ''
    throw new QuernError('input', `run ${run.id} is running${who}: two processes cannot train the same run`, {
      hint: 'Wait for it, or stop it first.',
    })
  }
  if (state === 'finished') {
    throw new QuernError('input', `run ${run.id} is finished: there is nothing to go on with`, {
      hint: 'Its model is ready: quern predict. For more epochs, start a new run: quern train',
    })
  }
  if (await hasCheckpoint(run)) return run
  throw new QuernError('missing', `run ${run.id} has no checkpoint to go on from: it is ${state}`, {
    hint: 'Start a new run: quern train',
  })
}

/** 'latest' to go on with is the newest run that did not finish; when all did, the newest says so. */
async function newestUnfinished({ runs }: Services): Promise<string> {
  const unfinished = (await runs.list()).find(({ state }) => state === 'interrupted' || state === 'failed')
  return unfinished?.id ?? 'latest'
}

export function interrupted({ id }: Run): TrainResult {
  return { run: id, state: 'interrupted', bundle: undefined, scores: {}, report: undefined }
}

/**
 * The events of a run, whose state says in the end how it ended, however that was: also when the consumer stops listening. What
 * fails before training begins has changed nothing, so a run that could not be resumed stays as it was.
 */
export async function* settled<Event extends { readonly type: string }>(
  run: Run,
  events: AsyncGenerator<Event, TrainResult>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Event, TrainResult> {
  let begun = false
  let end: Parameters<Run['update']>[0] = { state: 'interrupted' }
  try {
    for (;;) {
      const next = await events.next()
      if (next.done) {
        const { state, scores } = next.value
        end = state === 'finished' ? { state, scores: scores.validation ?? scores.test ?? {} } : { state }
        return next.value
      }
      if (!begun && next.value.type === 'started') {
        begun = true
        // The reason of an earlier failure is no longer true.
        await run.update({ state: 'running', ...({ error: undefined } as object) })
      }
      yield next.value
    }
  } catch (error) {
    // An abort while results are written: the last checkpoint is whole, so resuming writes them again.
    if (signal?.aborted && error === signal.reason) return interrupted(run)
    end = { state: 'failed', error: messageOf(error) }
    throw error
  } finally {
    // A disk that is full refuses the status too: the error that matters is the first one.
    const isOwn = begun || !(await hasCheckpoint(run).catch(() => false))
    if (isOwn) await run.update(end).catch(() => undefined)
  }
}
