/** The section `watch` of quern.serve.json: what is measured of models at work, and what of it is kept. */
import { z } from 'zod'
import type { DriftSettings } from './drift-watch.ts'
import type { QualitySettings } from './quality-watch.ts'

export interface WatchConfig {
  /** a line for people, or one of JSON, for each request */
  readonly log: 'pretty' | 'json'
  /** false: not compared */
  readonly drift: false | (DriftSettings & { readonly webhook?: string | undefined })
  /** false: no labels are taken */
  readonly feedback: false | (QualitySettings & { readonly folder: string; readonly megabytes: number })
  /** samples of what is asked and answered; absent: none are kept */
  readonly payloads?:
    | { readonly share: number; readonly folder: string; readonly days: number; readonly megabytes: number }
    | undefined
}

const positive = z.number().positive()
const count = z.int().positive()

const drift = z.strictObject({
  window: count.max(1_000_000).default(2000),
  minExamples: count.default(200),
  psi: positive.default(0.2),
  ks: positive.max(1).default(0.2),
  webhook: z.url({ protocol: /^https?$/ }).optional(),
})

const feedback = z.strictObject({
  window: count.max(100_000).default(1000),
  remember: count.max(1_000_000).default(10_000),
  folder: z.string().default('.quern/feedback'),
  megabytes: positive.default(100),
})

const payloads = z.strictObject({
  share: z.number().min(0).max(1),
  folder: z.string().default('.quern/payloads'),
  days: positive.max(3660).default(7),
  megabytes: positive.default(1000),
})

export const watchSchema: z.ZodType<WatchConfig, unknown> = z.strictObject({
  log: z.enum(['pretty', 'json']).default('pretty'),
  drift: z.union([z.literal(false), drift]).prefault({}),
  feedback: z.union([z.literal(false), feedback]).prefault({}),
  payloads: payloads.optional(),
})
