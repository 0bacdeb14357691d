import { availableParallelism } from 'node:os'
import type { ServeConfig } from '../../serve/config.ts'
import type { StructuredLog } from '../../serve/watch/passage-log.ts'
import { type Command, type Context, modelOption } from '../command.ts'
import type { ServedWatching } from '../served-watching.ts'
import type { StopReason, World } from '../world.ts'

export const serve: Command = {
  name: 'serve',
  summary: 'answer over HTTP until it is stopped',
  options: [
    {
      flags: '--model <model...>',
      summary: `${modelOption.summary}; several are served side by side (default: latest)`,
    },
    { flags: '--host <address>', summary: 'where to listen; 0.0.0.0 for every address (default: 127.0.0.1)' },
    { flags: '--port <n>', summary: '0 takes any free one (default: 8080)' },
    { flags: '--max-body <MB>', summary: 'the largest request (default: 16)' },
    { flags: '--drain <seconds>', summary: 'how long requests may go on after a stop (default: 10)' },
    { flags: '--workers <n>', summary: 'threads that compute (default: one for each core)' },
    {
      flags: '--memory <MB>',
      summary: 'of loaded models; those that were not used for long leave (default: no limit)',
    },
    {
      flags: '--config <file>',
      summary: 'models, aliases and limits (default: quern.serve.json here, if there is one)',
    },
    {
      flags: '--log-format <format>',
      summary: 'of the line for each request: pretty or json (default: pretty)',
      choices: ['pretty', 'json'],
    },
    { flags: '--public', summary: 'without keys: whoever reaches the server may use the models' },
  ],
  examples: [
    'quern serve',
    'quern serve --model ./cats --model ./dogs --port 9000',
    'quern serve --config production.json',
    'quern serve --public',
  ],
  streams: true,
  async run(context, _, options) {
    const { terminal, world } = context
    const { readServeConfig, readTls } = await import('../serve-config.ts')
    const config = await readServeConfig(world.cwd, options)
    const tls = readTls(world.cwd, config)
    const services = await context.services()
    const [{ startServer }, { Catalog }, { Engine }, { accessFor }, { jobsFor }, { servedModels }, { syncCatalog }] =
      await Promise.all([
        import('../../serve/main.ts'),
        import('../../serve/catalog.ts'),
        import('../../serve/engine/engine.ts'),
        import('../access.ts'),
        import('../served-jobs.ts'),
        import('../served-models.ts'),
        import('../../serve/sync-catalog.ts'),
      ])
    const { versions } = services
    const structured = await structuredLog(config, world)
    const log = structured?.log ?? services.log
    const clock = { now: () => performance.now() }
    const memoryBytes = config.memory === undefined ? {} : { memoryBytes: config.memory * 2 ** 20 }
    const engine = new Engine({ workers: config.workers ?? availableParallelism(), clock, log })
    let served: ServedWatching | undefined
    const catalog = new Catalog({
      ...{ clock, log, ...memoryBytes },
      isAble: () => engine.alive > 0,
      onShadow: (report) => served?.watching.shadows.add(report),
    })
    const stopped = firstStop(context)
    const end = async (reason: StopReason): Promise<number | undefined> => {
      const hasEnded = await engine.close()
      terminal.record({ type: 'stopped', reason })
      if (hasEnded) return 0
      terminal.warn('a model computes longer than the server waits for it: the process ends under it')
      world.die(reason)
      return undefined
    }
    try {
      const { watchingFor } = await import('../served-watching.ts')
      served = watchingFor(world, config, { catalog, log, version: versions.quern ?? '' })
      const { watching } = served
      const reload = async (): ReturnType<typeof syncCatalog> => {
        const now = await readServeConfig(world.cwd, options)
        return syncCatalog(catalog, await servedModels(services, engine, now, watching.onLoaded), now.aliases)
      }
      const loading = reload()
      const early = await Promise.race([loading.then(() => undefined), stopped.reason])
      if (early !== undefined) {
        // Nobody waits for models that nobody will ask; what a thread has begun it ends.
        loading.catch(() => undefined)
        return await end(early)
      }
      const { host, port, cors } = config
      const access = await accessFor(world, options.public === true)
      const jobs = jobsFor(world, config, access)
      const server = await startServer({
        ...{ catalog, authenticate: access.authenticate, host, port, tls, cors, log, reload, jobs },
        maxBodyBytes: config.maxBody * 2 ** 20,
        drainMilliseconds: config.drain * 1000,
        limits: {
          maxRunning: config.maxRunning,
          maxMilliseconds: config.timeout * 1000,
          maxBodiesBytes: config.maxBodies * 2 ** 20,
        },
        version: versions.quern ?? '',
        ...{ watching, requestLog: structured?.observer },
      })
      const listed = catalog.all.map(({ name, version, manifest }) => ({ name, version, manifest }))
      const models = listed.map(({ name, version }) => ({ name, version }))
      terminal.record({ type: 'listening', url: server.url, models, access: access.kind, key: access.key })
      if (access.kind === 'public')
        terminal.warn('--public: whoever reaches the server may use the models, without a key')
      const { listeningLines } = await import('../render/listening.ts')
      terminal.print(...listeningLines(server.url, listed, access, terminal.colors.bold))
      const reason = await stopped.reason
      if (reason === 'SIGINT') terminal.note('finishing what runs; Ctrl-C again stops at once')
      await server.close()
      return await end(reason)
    } finally {
      stopped.release()
      served?.close()
      await engine.close()
    }
  },
}

/** Lines of JSON in the place of lines for people, on the same stream. */
async function structuredLog({ watch }: ServeConfig, { stderr }: World): Promise<StructuredLog | undefined> {
  if (watch.log !== 'json') return undefined
  const { createStructuredLog } = await import('../../serve/watch/passage-log.ts')
  return createStructuredLog(stderr)
}

function firstStop({ world }: Context): { reason: Promise<StopReason>; release(): void } {
  let release = (): void => undefined
  const reason = new Promise<StopReason>((resolve) => {
    let isFirst = true
    release = world.onStop((signal) => {
      if (!isFirst) return world.die(signal)
      isFirst = false
      resolve(signal)
    })
  })
  return { reason, release: () => release() }
}
