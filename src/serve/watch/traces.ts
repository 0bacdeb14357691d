/**
 * Spans for OpenTelemetry, through its API alone: without an SDK that the user has set up they cost next to nothing and go nowhere. A span is made
 * when its request is over, from the times that were measured anyway, below the caller's span when the request named one.
 */
import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import type { Observer } from '../gate.ts'
import type { Passage } from '../passage.ts'
import { routeName } from './route-names.ts'

export interface TraceOptions {
  /** of the server's clock, in milliseconds since 1970 */
  readonly origin: number
  readonly version: string
}

/** The W3C's form of version 00, and of later ones that add to it. */
const form = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(?:$|-)/

/** Of what could not be read. This, and the name of its span: https://opentelemetry.io/docs/specs/semconv/http/http-spans/ */
const unknownMethod = '_OTHER'

export function traceObserver({ origin, version }: TraceOptions): Observer {
  const tracer = trace.getTracer('quern', version)
  return (passage) => {
    const { what, started, milliseconds, status, kind } = passage
    const begin = origin + started
    const end = begin + milliseconds
    const space = what.indexOf(' ')
    const method = kind === 'job' ? 'JOB' : space < 0 ? unknownMethod : what.slice(0, space)
    const name = `${method === unknownMethod ? 'HTTP' : method} ${routeName(passage)}`
    const parent = contextOf(passage.traceparent)
    const options = { kind: kind === 'http' ? SpanKind.SERVER : SpanKind.INTERNAL, startTime: begin }
    const span = tracer.startSpan(name, options, parent)
    if (span.isRecording()) {
      span.setAttributes(attributesOf(passage, method))
      stages(tracer, span, passage, begin)
      if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    }
    span.end(end)
  }
}

/** Waiting and computing one after another: what of a request with several runs came when is not kept. */
function stages(
  tracer: Tracer,
  span: Span,
  { queuedMilliseconds, computeMilliseconds, examples }: Passage,
  begin: number,
): void {
  if (examples === 0) return
  const inside = trace.setSpan(ROOT_CONTEXT, span)
  const computed = begin + queuedMilliseconds
  tracer.startSpan('queue', { startTime: begin }, inside).end(computed)
  const attributes = { 'quern.examples': examples }
  tracer.startSpan('compute', { startTime: computed, attributes }, inside).end(computed + computeMilliseconds)
}

function attributesOf(
  { id, model, version, status, principal, kind }: Passage,
  method: string,
): Record<string, string | number> {
  return {
    ...(kind === 'http' ? { 'http.request.method': method, 'http.response.status_code': status } : {}),
    'quern.request': id,
    ...(model === undefined ? {} : { 'quern.model': model, 'quern.version': version ?? '' }),
    ...(principal ? { 'quern.key': principal.id } : {}),
  }
}

function contextOf(traceparent: string | undefined): Context {
  const [, traceId, spanId, flags] = form.exec(traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT
  const traceFlags = Number.parseInt(flags!, 16) & TraceFlags.SAMPLED
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
}
