/** The events of a run as JSON lines: what is kept, how a log that a crash has torn is mended, how resumed runs read. */
import type { TrainEvent } from '../contract/events.ts'
import { QuernError } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import type { AppendableBlobStore } from './blobs.ts'

/** Milliseconds between step events that are kept. */
const between = 1000

const newline = 10

export interface EventLog {
  append(event: TrainEvent): Promise<void>
  read(): Promise<TrainEvent[]>
}

export function createEventLog(files: AppendableBlobStore, key: string, clock: Clock): EventLog {
  let mended: Promise<void> | undefined
  let lastStep = Number.NEGATIVE_INFINITY
  return {
    async append(event) {
      if (event.type === 'step') {
        if (clock.now() - lastStep < between) return
        lastStep = clock.now()
      }
      mended ??= mend(files, key)
      await mended
      await files.append(key, new TextEncoder().encode(`${JSON.stringify(event)}\n`))
    },
    async read() {
      if (!(await files.exists(key))) return []
      const bytes = await files.read(key)
      const lines = new TextDecoder().decode(bytes.subarray(0, bytes.lastIndexOf(newline) + 1)).split('\n')
      lines.pop()
      return asOneRun(lines.map((line, i) => parseLine(line, `line ${i + 1} of ${key}`)))
    },
  }
}

function parseLine(line: string, where: string): TrainEvent {
  try {
    return JSON.parse(line) as TrainEvent
  } catch (cause) {
    throw new QuernError('input', `${where} is damaged: it is no JSON`, {
      hint: 'Remove the line to read the rest of the log; checkpoints and the bundle do not depend on it.',
      cause,
    })
  }
}

/** Cuts off the line that a crash left unfinished, so that the next event begins a line of its own. */
async function mend(files: AppendableBlobStore, key: string): Promise<void> {
  if (!(await files.exists(key))) return
  const bytes = await files.read(key)
  const end = bytes.lastIndexOf(newline) + 1
  if (end < bytes.length) await files.write(key, bytes.subarray(0, end))
}

/** Leaves out what was done twice: events after the step at which the run was resumed, and the end before it. */
function asOneRun(events: readonly TrainEvent[]): TrainEvent[] {
  let kept: TrainEvent[] = []
  for (const event of events) {
    if (event.type === 'started' && event.resumedAt !== undefined) {
      const from = event.resumedAt
      kept = kept.filter((old) => old.type !== 'done' && (!('step' in old) || old.step <= from))
    }
    kept.push(event)
  }
  return kept
}
