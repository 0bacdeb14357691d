import type { OpenedModel } from '../../actions/open-model.ts'
import { type Command, type Context, modelOption, wholeNumber } from '../command.ts'
import { harmless } from '../render/text-width.ts'
import { type StopReason, stopCodes } from '../world.ts'

export const serve: Command = {
  name: 'serve',
  summary: 'answer over HTTP until it is stopped',
  options: [
    { ...modelOption, flags: '--model <model...>', summary: `${modelOption.summary}; several are served side by side` },
    { flags: '--host <address>', summary: 'where to listen; 0.0.0.0 for every address', default: '127.0.0.1' },
    { flags: '--port <n>', summary: '0 takes any free one', default: '8080' },
    { flags: '--max-body <MB>', summary: 'the largest request', default: '16' },
    { flags: '--drain <seconds>', summary: 'how long requests may go on after a stop', default: '10' },
  ],
  examples: ['quern serve', 'quern serve --model ./cats --model ./dogs --port 9000'],
  streams: true,
  async run(context, _, options) {
    const { terminal } = context
    const port = wholeNumber(options.port, '--port', 0, 65_535)
    const maxBodyBytes = wholeNumber(options.maxBody, '--max-body', 1, 4096) * 2 ** 20
    const drainMilliseconds = wholeNumber(options.drain, '--drain', 0, 3600) * 1000
    const services = await context.services()
    const names = [options.model].flat().map(String)
    const [{ openModel }, { startServer }] = await Promise.all([
      import('../../actions/open-model.ts'),
      import('../../serve/main.ts'),
    ])
    const [{ Catalog }, { inProcess }, { publicAccess }] = await Promise.all([
      import('../../serve/catalog.ts'),
      import('../../serve/in-process.ts'),
      import('../../serve/principal.ts'),
    ])
    const opened: OpenedModel[] = []
    for (const name of names) opened.push(await openModel(services, name))
    const bundles = withVersions(opened)
    const stopped = firstStop(context)
    try {
      const host = String(options.host)
      const { log, versions } = services
      const about = { host, port, maxBodyBytes, drainMilliseconds, log, version: versions.quern ?? '' }
      const catalog = new Catalog({ clock: services.clock, log })
      for (const { name, version, pipeline } of bundles) catalog.add(inProcess(name, version, pipeline))
      for (const { name, version } of bundles) await catalog.load(name, version)
      const server = await startServer({ catalog, authenticate: publicAccess, ...about })
      const models = bundles.map(({ name, version }) => ({ name, version }))
      terminal.record({ type: 'listening', url: server.url, models })
      terminal.print(...listeningLines(server.url, opened, models, terminal.colors.bold))
      const reason = await stopped.reason
      if (reason === 'SIGINT') terminal.note('finishing what runs; Ctrl-C again stops at once')
      await server.close()
      terminal.record({ type: 'stopped', reason })
      return 0
    } catch (error) {
      await Promise.all(opened.map(({ pipeline }) => pipeline.release()))
      throw error
    } finally {
      stopped.release()
    }
  },
}

interface Served {
  readonly name: string
  readonly version: string
}

/** Models of one name are versions of it, in the order given. */
function withVersions(opened: readonly OpenedModel[]): (Served & Pick<OpenedModel, 'pipeline'>)[] {
  const seen = new Map<string, number>()
  return opened.map(({ name, pipeline }) => {
    const version = (seen.get(name) ?? 0) + 1
    seen.set(name, version)
    return { name, version: String(version), pipeline }
  })
}

function firstStop({ world }: Context): { reason: Promise<StopReason>; release(): void } {
  let release = (): void => undefined
  const reason = new Promise<StopReason>((resolve) => {
    let isFirst = true
    release = world.onStop((signal) => {
      if (!isFirst) return world.exit(stopCodes[signal])
      isFirst = false
      resolve(signal)
    })
  })
  return { reason, release: () => release() }
}

function listeningLines(
  url: string,
  opened: readonly OpenedModel[],
  models: readonly Served[],
  bold: (text: string) => string,
): string[] {
  const list = models.map(({ name, version }, i) => {
    const { labels, task } = opened[i]!.bundle.manifest
    return `  ${harmless(name)}, version ${version}: ${harmless(task)}, ${labels.length} classes`
  })
  return [
    `listening on ${bold(url)}`,
    ...list,
    '',
    `  curl ${url}/v2/health/ready`,
    `  curl --data-binary @picture.png ${url}/predict${models.length > 1 ? `/${models[0]!.name}` : ''}`,
    '',
    'Ctrl-C stops it after the requests that run',
  ]
}
