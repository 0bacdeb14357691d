/**
 * Tells another program of alarms: a POST of JSON, signed, repeated until it is taken. One at a time and in order; what piles up is bounded,
 * and nothing that waits for a stranger's server ever holds a request. No payload: names, counts and distances.
 */
import { messageOf } from '../../core/errors.ts'
import { hexFrom } from '../../core/hash.ts'
import type { Clock, Log } from '../../core/ports.ts'
import type { DriftAlarm } from './drift-watch.ts'

export interface WebhookOptions {
  readonly url: string
  /** of the signature; the receiver has the same */
  readonly secret: string
  /** usually the platform's */
  readonly fetch: (url: string, init: RequestInit) => Promise<Pick<Response, 'ok' | 'status'>>
  readonly wait: (milliseconds: number) => Promise<void>
  /** milliseconds since 1970 */
  readonly clock: Clock
  readonly log: Log
}

export interface Webhook {
  /** Never throws and never waits. */
  send(alarm: DriftAlarm): void
  /** when nothing is under way */
  idle(): Promise<void>
}

const attempts = 6
/** Milliseconds before the second attempt; doubled for each further one: 31 s in all. */
const firstPause = 1000
const patience = 10_000
/** Alarms that wait; when more come, the oldest is forgotten. */
const mostWaiting = 32

export function createWebhook(options: WebhookOptions): Webhook {
  const { url, log, wait } = options
  const waiting: DriftAlarm[] = []
  let running: Promise<void> | undefined

  const work = async (): Promise<void> => {
    for (let alarm = waiting.shift(); alarm; alarm = waiting.shift()) {
      const body = JSON.stringify(bodyOf(alarm, options.clock.now()))
      for (let attempt = 1; ; attempt++) {
        const failure = await post(options, body)
        if (failure === undefined) break
        const { model, version } = alarm.report
        const what = `webhook: ${alarm.event} of ${model}/${version} was not taken (${failure})`
        if (attempt === attempts) {
          log.warn(`${what}, given up after ${attempts} attempts`)
          break
        }
        log.warn(`${what}, attempt ${attempt} of ${attempts}`)
        await wait(firstPause * 2 ** (attempt - 1))
      }
    }
    running = undefined
  }

  return {
    send(alarm) {
      waiting.push(alarm)
      if (waiting.length > mostWaiting) {
        waiting.shift()
        log.warn(`webhook: more than ${mostWaiting} alarms wait for ${new URL(url).host}; the oldest is forgotten`)
      }
      running ??= work()
    },
    idle: () => running ?? Promise.resolve(),
  }
}

/** Why it was not taken; undefined when it was. */
async function post({ url, secret, fetch, clock }: WebhookOptions, body: string): Promise<string | undefined> {
  try {
    const time = Math.floor(clock.now() / 1000)
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'quern',
      'quern-signature': `t=${time},v1=${await signature(secret, `${time}.${body}`)}`,
    }
    const signal = AbortSignal.timeout(patience)
    // Where it leads was decided by whoever wrote the configuration, not by who answers.
    const answer = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'error' })
    return answer.ok ? undefined : `status ${answer.status}`
  } catch (error) {
    // The platform's fetch says 'fetch failed', and why in its cause.
    const { cause } = error as { cause?: unknown }
    return cause === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(cause)}`
  }
}

/** HMAC-SHA-256 as hexadecimal digits. */
async function signature(secret: string, text: string): Promise<string> {
  const bytes = new TextEncoder()
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', bytes.encode(secret), algorithm, false, ['sign'])
  const signed = await crypto.subtle.sign('HMAC', key, bytes.encode(text))
  return hexFrom(new Uint8Array(signed))
}

function bodyOf({ event, report }: DriftAlarm, now: number): Record<string, unknown> {
  const { model, version, examples, thresholds } = report
  const over = (['inputs', 'outputs'] as const).flatMap((side) =>
    report[side]
      .filter(({ psi, ks }) => psi > thresholds.psi || (ks ?? 0) > thresholds.ks)
      .map((measured) => ({ side, ...measured })),
  )
  return { event, time: new Date(now).toISOString(), model, version, examples, thresholds, over }
}
