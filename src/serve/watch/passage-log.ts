/**
 * One line of JSON for each request, stream and job part, through pino. What is not listed here is not logged: no body, no header, no query,
 * no key, and no message of an error that is the client's own, since that may repeat a word of what was sent.
 */
import { pino } from 'pino'
import type { Log } from '../../core/ports.ts'
import type { Observer } from '../gate.ts'
import { loggedAddress, withoutKeys } from '../logged-text.ts'

export interface StructuredLog {
  readonly log: Log
  readonly observer: Observer
}

/** Where lines go: each with its line end. */
export interface LineOutput {
  write(line: string): unknown
}

export function createStructuredLog(output: LineOutput): StructuredLog {
  const logger = pino(
    {
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: 'message',
    },
    { write: (line) => void output.write(line) },
  )
  return {
    log: {
      info: (message) => logger.info(withoutKeys(message)),
      warn: (message) => logger.warn(withoutKeys(message)),
    },
    observer: (passage) => {
      const { status, principal, kind } = passage
      const line = {
        request: withoutKeys(passage.id),
        kind,
        what: loggedAddress(passage.what),
        status,
        key: principal?.id,
        model: passage.model,
        version: passage.version,
        milliseconds: rounded(passage.milliseconds),
        queued: rounded(passage.queuedMilliseconds),
        computed: rounded(passage.computeMilliseconds),
        examples: passage.examples,
        tokensIn: passage.tokensIn || undefined,
        tokensOut: passage.tokensOut || undefined,
        bytesIn: passage.bytesIn,
        bytesOut: passage.bytesOut,
        trace: traceOf(passage.traceparent),
        error: status >= 500 ? passage.failure && withoutKeys(passage.failure) : undefined,
      }
      if (status >= 500) logger.error(line)
      else logger.info(line)
    },
  }
}

const rounded = (milliseconds: number): number => Math.round(milliseconds * 1000) / 1000

/** The id of the caller's trace, where it is one. */
function traceOf(traceparent: string | undefined): string | undefined {
  return traceparent === undefined
    ? undefined
    : /^[\da-f]{2}-([\da-f]{32})-[\da-f]{16}-[\da-f]{2}/.exec(traceparent)?.[1]
}
