import { trace } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Passage } from '../passage.ts'
import { traceObserver } from './traces.ts'

const exporter = new InMemorySpanExporter()
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
beforeAll(() => void trace.setGlobalTracerProvider(provider))
afterAll(async () => {
  trace.disable()
  await provider.shutdown()
})

const origin = Date.UTC(2026, 10, 23)
const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

function spansOf(fields: Partial<Passage>, traceparent?: string): Record<string, ReadableSpan> {
  exporter.reset()
  const passage = new Passage({
    ...{ id: 'r1', kind: 'http', what: 'POST /predict/cats', started: 1000, deadline: 1, maxBodyBytes: 1, traceparent },
  })
  traceObserver({ origin, version: '1.2.3' })(Object.assign(passage, { status: 200, milliseconds: 40, ...fields }))
  return Object.fromEntries(exporter.getFinishedSpans().map((span) => [span.name, span]))
}

const milliseconds = ([seconds, nanos]: readonly [number, number]): number => seconds * 1000 + nanos / 1e6

test('a request is a span with its own times below that of the caller, waiting and computing inside it', () => {
  const fields = { model: 'cats', version: '2', examples: 3, queuedMilliseconds: 10, computeMilliseconds: 20 }
  const { 'POST predict': whole, queue, compute } = spansOf(fields, parent)
  expect(whole!.spanContext().traceId).toBe('0af7651916cd43dd8448eb211c80319c')
  expect(whole!.parentSpanContext?.spanId).toBe('b7ad6b7169203331')
  expect(milliseconds(whole!.startTime)).toBeCloseTo(origin + 1000, 3)
  expect(milliseconds(whole!.endTime)).toBeCloseTo(origin + 1040, 3)
  expect(whole!.attributes).toEqual({
    ...{ 'http.request.method': 'POST', 'http.response.status_code': 200, 'quern.request': 'r1' },
    ...{ 'quern.model': 'cats', 'quern.version': '2' },
  })
  expect(whole!.instrumentationScope).toMatchObject({ name: 'quern', version: '1.2.3' })
  for (const span of [queue, compute]) expect(span!.parentSpanContext?.spanId).toBe(whole!.spanContext().spanId)
  expect(milliseconds(compute!.duration)).toBeCloseTo(20, 3)
  expect(milliseconds(queue!.endTime)).toBeCloseTo(milliseconds(compute!.startTime), 3)
})

test('what could not be read as a request is a span of an unknown method', () => {
  const { 'HTTP unreadable': span } = spansOf({ what: 'unreadable', status: 431 })
  expect(span!.attributes).toMatchObject({ 'http.request.method': '_OTHER', 'http.response.status_code': 431 })
})

test('a caller whose trace is not recorded is heeded; what is no trace begins a new one', () => {
  expect(spansOf({}, parent.replace(/01$/, '00'))).toEqual({})
  for (const wrong of [
    '',
    'x',
    `${parent}x`,
    parent.replace('00-', 'ff-'),
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
  ]) {
    const { 'POST predict': span } = spansOf({}, wrong)
    expect(span!.parentSpanContext, wrong).toBeUndefined()
  }
})

test('failures are marked, refusals are not', () => {
  expect(spansOf({ status: 500 })['POST predict']!.status.code).toBe(2)
  expect(spansOf({ status: 429 })['POST predict']!.status.code).toBe(0)
})

test('without an SDK nothing is made', () => {
  trace.disable()
  expect(spansOf({}, parent)).toEqual({})
  trace.setGlobalTracerProvider(provider)
})
