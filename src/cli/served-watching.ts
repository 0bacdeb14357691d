/** What looks on at a server that the command line starts: where labels and payloads are kept, and the secrets that only the environment has. */
import { randomInt } from 'node:crypto'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { QuernError } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import type { Catalog } from '../serve/catalog.ts'
import type { ServeConfig } from '../serve/config.ts'
import type { WatchConfig } from '../serve/watch/watch-config.ts'
import { createWatching, type Watching } from '../serve/watch/watching.ts'
import { createWebhook, type Webhook } from '../serve/watch/webhook.ts'
import { createFeedbackStore } from '../store/feedback.ts'
import { createFileBlobs } from '../store/file-blobs.ts'
import { createPayloadStore, type PayloadStore, payloadKeyFrom } from '../store/payloads.ts'
import type { World } from './world.ts'

export const payloadKeyVariable = 'QUERN_PAYLOAD_KEY'
const webhookVariable = 'QUERN_WEBHOOK_SECRET'
const shortestSecret = 16
/** Milliseconds between two looks for payloads that are too old. */
const pruning = 10 * 60_000

export interface ServedWatching {
  readonly watching: Watching
  close(): void
}

export function watchingFor(
  world: World,
  { watch }: Pick<ServeConfig, 'watch'>,
  { catalog, log, version }: { readonly catalog: Catalog; readonly log: Log; readonly version: string },
): ServedWatching {
  const { drift, feedback, payloads } = watch
  const store = payloads && payloadStoreFor(world, payloads, payloadKey(world))
  const prune = (): void =>
    void store?.prune().catch((error: Error) => log.warn(`old payloads were not removed: ${error.message}`))
  prune()
  const timer = store && setInterval(prune, pruning)
  timer?.unref()
  const watching = createWatching({
    ...{ catalog, log, version },
    clock: { now: () => performance.now() },
    wallClock: world,
    drift: drift || undefined,
    webhook: drift && drift.webhook !== undefined ? webhookFor(world, drift.webhook, log) : undefined,
    quality: feedback
      ? {
          ...feedback,
          store: createFeedbackStore(
            createFileBlobs(resolve(world.cwd, feedback.folder)),
            feedback.megabytes * 2 ** 20,
          ),
        }
      : undefined,
    payloads:
      payloads && store ? { share: payloads.share, store, chance: () => randomInt(2 ** 32) / 2 ** 32 } : undefined,
  })
  return { watching, close: () => clearInterval(timer) }
}

/** The store of the configuration; without a key it can be listed and pruned only. */
export function payloadStoreFor(
  world: Pick<World, 'cwd' | 'now'>,
  { folder, days, megabytes }: NonNullable<WatchConfig['payloads']>,
  key?: Uint8Array,
): PayloadStore {
  const limits = { maxAgeMilliseconds: days * 86_400_000, maxBytes: megabytes * 2 ** 20 }
  return createPayloadStore(createFileBlobs(resolve(world.cwd, folder)), { key, clock: world, limits })
}

export function payloadKey({ env }: Pick<World, 'env'>): Uint8Array {
  const text = env[payloadKeyVariable]
  if (text) return payloadKeyFrom(text, payloadKeyVariable)
  throw new QuernError('config', `payloads are kept encrypted: the environment must have ${payloadKeyVariable}`, {
    hint: 'Make a key, and keep it elsewhere too: openssl rand -base64 32',
  })
}

function webhookFor(world: World, url: string, log: Log): Webhook {
  const secret = world.env[webhookVariable] ?? ''
  if (secret.length < shortestSecret) {
    throw new QuernError(
      'config',
      `watch.drift.webhook needs a secret of ${shortestSecret} characters or more in ${webhookVariable}, which signs what is sent`,
      { hint: 'Make one: openssl rand -hex 32' },
    )
  }
  const wait = (milliseconds: number): Promise<void> => sleep(milliseconds, undefined, { ref: false })
  return createWebhook({ url, secret, fetch, wait, clock: world, log })
}
