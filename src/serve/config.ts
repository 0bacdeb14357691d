/**
 * The server's own configuration, `quern.serve.json`: which models it answers for, and its limits. Apart from the project's, since a server has
 * models of many projects and is moved without them; JSON, since it is read again while the server runs.
 */
import { z } from 'zod'
import { modelName } from '../contract/config.ts'
import type { Aliases } from './aliases.ts'
import type { BatchSettings } from './engine/batcher.ts'
import { type WatchConfig, watchSchema } from './watch/watch-config.ts'

/** BatchSettings of which parts may be left out. */
export type GivenBatching = { readonly [Key in keyof BatchSettings]?: BatchSettings[Key] | undefined }

export interface ServedBundle {
  /** a run's id, 'latest', or the path of a bundle */
  readonly model: string
  /** default: the name in its manifest */
  readonly name?: string | undefined
  /** default: counts the versions of one name from 1, in the order of the list */
  readonly version?: string | undefined
  /** adapters over this base, each a model of its own name: a run that trained one, or a folder with PEFT's files */
  readonly adapters?: Readonly<Record<string, string>> | undefined
  /** micro-batches; see BatchSettings */
  readonly batching?: GivenBatching | undefined
}

export interface ServeConfig {
  readonly host: string
  readonly port: number
  readonly models: readonly ServedBundle[]
  /** by the names of models */
  readonly aliases: Readonly<Record<string, Aliases>>
  /** worker threads; default: one for each core */
  readonly workers?: number | undefined
  /** of loaded models, in MB; default: no limit */
  readonly memory?: number | undefined
  /** the largest body, in MB */
  readonly maxBody: number
  /** the bodies of all requests that run, in MB; more are answered 503 */
  readonly maxBodies: number
  /** seconds that requests may go on after a stop */
  readonly drain: number
  /** seconds that a request may take */
  readonly timeout: number
  /** requests at once; more are answered 503 */
  readonly maxRunning: number
  /** files with the key and the certificate, PEM */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined
  /** batch jobs over files */
  readonly jobs: {
    readonly folder: string
    /** files in it can be named in place of being sent */
    readonly files?: string | undefined
    /** the largest file, in MB */
    readonly maxFile: number
    /** jobs that a key may have, kept ones among them; 0: none are taken */
    readonly perKey: number
    /** computed at once */
    readonly running: number
    /** hours for which an ended job and its files are kept */
    readonly keep: number
  }
  /** pages of these origins may ask; '*': of any */
  readonly cors: readonly string[]
  /** the log of requests, drift, labels, samples */
  readonly watch: WatchConfig
}

const name = z.string().regex(modelName, 'must be letters, digits, dots, dashes or underscores')
const count = z.int().positive()
/** As browsers send it: without a path, and without a port that the scheme implies. */
const isOrigin = (text: string): boolean => text === '*' || (URL.canParse(text) && new URL(text).origin === text)

const batching = z.strictObject({
  maxRows: count.max(4096).optional(),
  maxDelayMilliseconds: z.number().min(0).max(1000).optional(),
  maxQueued: count.max(1_000_000).optional(),
})

const aliases = z.strictObject({
  stable: name.optional(),
  canary: z.strictObject({ version: name, share: z.number().min(0).max(1) }).optional(),
  shadow: name.optional(),
})

const jobs = z.strictObject({
  folder: z.string().default('.quern/jobs'),
  files: z.string().optional(),
  maxFile: z.number().positive().max(65_536).default(256),
  perKey: z.int().min(0).max(10_000).default(20),
  running: count.max(64).default(1),
  keep: z.number().positive().max(8784).default(72),
})

export const serveConfigSchema: z.ZodType<ServeConfig, unknown> = z.strictObject({
  host: z.string().default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(8080),
  models: z
    .array(
      z.strictObject({
        model: z.string(),
        name: name.optional(),
        version: name.optional(),
        adapters: z.record(name, z.string()).optional(),
        batching: batching.optional(),
      }),
    )
    .default([{ model: 'latest' }]),
  aliases: z.record(z.string(), aliases).default({}),
  workers: count.max(256).optional(),
  memory: z.number().positive().optional(),
  maxBody: z.number().positive().max(4096).default(16),
  maxBodies: z.number().positive().max(65_536).default(256),
  drain: z.number().min(0).max(3600).default(10),
  timeout: z.number().positive().max(3600).default(60),
  maxRunning: count.default(1000),
  tls: z.strictObject({ key: z.string(), cert: z.string() }).optional(),
  jobs: jobs.prefault({}),
  cors: z.array(z.string().refine(isOrigin, "must be an origin such as https://shop.example, or '*'")).default([]),
  watch: watchSchema.prefault({}),
})
