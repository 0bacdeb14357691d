import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import type { DriftAlarm } from './drift-watch.ts'
import { createWebhook } from './webhook.ts'

const secret = 'a secret of the receiver'
const alarm = (version: string): DriftAlarm => ({
  event: 'drift',
  report: {
    ...{ model: 'risk', version, state: 'drifted', trainingExamples: 900, examples: 400 },
    thresholds: { psi: 0.2, ks: 0.3 },
    inputs: [
      { name: 'age', psi: 0.1, ks: 0.1 },
      { name: 'income', psi: 2, ks: 0.1 },
      { name: 'size', psi: 0, ks: 0.4 },
    ],
    outputs: [{ name: 'class', psi: 0.7, ks: undefined }],
  },
})

/** A receiver that answers with the statuses given, and remembers what it got. */
function receiver(...statuses: (number | Error)[]) {
  const got: { headers: Record<string, string>; body: string; redirect: string | undefined }[] = []
  const pauses: number[] = []
  const warnings: string[] = []
  let atOnce = 0
  let most = 0
  const webhook = createWebhook({
    ...{ url: 'https://example.com/hook', secret },
    fetch: async (_, { headers, body, redirect }) => {
      most = Math.max(most, ++atOnce)
      await Promise.resolve()
      atOnce--
      got.push({ headers: headers as Record<string, string>, body: String(body), redirect })
      const status = statuses.shift() ?? 204
      if (status instanceof Error) throw status
      return { ok: status < 300, status }
    },
    wait: async (milliseconds) => void pauses.push(milliseconds),
    clock: { now: () => 1_795_468_552_000 },
    log: { info: () => undefined, warn: (line) => void warnings.push(line) },
  })
  return { webhook, got, pauses, warnings, most: () => most }
}

test('an alarm is signed, names what passed its threshold, and carries no example', async () => {
  const { webhook, got } = receiver()
  webhook.send(alarm('1'))
  await webhook.idle()
  const { headers, body, redirect } = got[0]!
  expect(redirect).toBe('error')
  expect(JSON.parse(body)).toEqual({
    ...{ event: 'drift', time: '2026-11-23T21:15:52.000Z', model: 'risk', version: '1', examples: 400 },
    thresholds: { psi: 0.2, ks: 0.3 },
    over: [
      { side: 'inputs', name: 'income', psi: 2, ks: 0.1 },
      { side: 'inputs', name: 'size', psi: 0, ks: 0.4 },
      { side: 'outputs', name: 'class', psi: 0.7 },
    ],
  })
  const [, time, signature] = /^t=(\d+),v1=([\da-f]{64})$/.exec(headers['quern-signature']!)!
  expect(signature).toBe(createHmac('sha256', secret).update(`${time}.${body}`).digest('hex'))
})

test('what is not taken is sent again after longer and longer pauses, then given up; the next goes its way', async () => {
  const failing = receiver(500, new Error('no route to host'), 429, 204)
  failing.webhook.send(alarm('1'))
  await failing.webhook.idle()
  expect(failing.pauses).toEqual([1000, 2000, 4000])
  expect(failing.warnings).toHaveLength(3)
  expect(failing.warnings[1]).toContain('no route to host')
  const dead = receiver(...new Array<number>(6).fill(503))
  dead.webhook.send(alarm('1'))
  dead.webhook.send(alarm('2'))
  await dead.webhook.idle()
  expect(dead.pauses).toEqual([1000, 2000, 4000, 8000, 16_000])
  expect(dead.warnings.at(-1)).toContain('given up after 6 attempts')
  expect(JSON.parse(dead.got.at(-1)!.body)).toMatchObject({ version: '2' })
})

test('alarms go one at a time and in order, and do not pile up', async () => {
  const { webhook, got, most, warnings } = receiver()
  for (let i = 0; i < 50; i++) webhook.send(alarm(String(i)))
  await webhook.idle()
  const versions = got.map(({ body }) => Number((JSON.parse(body) as { version: string }).version))
  expect(most()).toBe(1)
  expect(versions).toEqual([0, ...Array.from({ length: 32 }, (_, i) => i + 18)])
  expect(warnings).toHaveLength(17)
  webhook.send(alarm('again'))
  await webhook.idle()
  expect(got).toHaveLength(34)
})
