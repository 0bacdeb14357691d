import { QuernError, suggestion } from '../../core/errors.ts'
import type { PayloadInfo, PayloadStore } from '../../store/payloads.ts'
import type { Command, Context } from '../command.ts'
import { type Column, table } from '../render/table.ts'
import { harmless } from '../render/text-width.ts'

const actions = ['list', 'read', 'prune'] as const

export const payloads: Command = {
  name: 'payloads',
  summary: 'samples of what a server was asked and answered: list, read, prune',
  arguments: [
    ['<action>', 'list, read or prune (removes what is older or more than the configuration allows)'],
    ['[id]', 'read: of the payload'],
  ],
  options: [
    { flags: '--out <file>', summary: 'read: writes the tensors there, as safetensors' },
    { flags: '--config <file>', summary: 'of the server (default: quern.serve.json here)' },
  ],
  examples: ['quern payloads list', 'quern payloads read 1764000000000-2k-0f3a91b2c4d5 --out asked.safetensors'],
  async run(context, [action = '', id], options) {
    const [{ readServeConfig }, { payloadKey, payloadStoreFor }] = await Promise.all([
      import('../serve-config.ts'),
      import('../served-watching.ts'),
    ])
    const { world } = context
    const { watch } = await readServeConfig(world.cwd, { config: options.config })
    // What was kept before the sampling was switched off can be read still.
    const place = watch.payloads ?? { share: 0, folder: '.quern/payloads', days: 7, megabytes: 1000 }
    if (action === 'list') return listPayloads(context, payloadStoreFor(world, place))
    if (action === 'prune') return prunePayloads(context, payloadStoreFor(world, place))
    if (action === 'read')
      return readPayload(context, payloadStoreFor(world, place, payloadKey(world)), id, options.out)
    throw new QuernError('config', `quern payloads has no action '${action}'. ${suggestion(action, actions)}`)
  },
}

async function listPayloads({ terminal }: Context, store: PayloadStore): Promise<number> {
  const list = await store.list()
  terminal.document(list)
  if (list.length === 0) terminal.print("no payloads: a server keeps some where quern.serve.json has 'watch.payloads'")
  else terminal.print(...table(columns, list, { width: terminal.width, title: terminal.colors.dim }))
  return 0
}

async function prunePayloads({ terminal }: Context, store: PayloadStore): Promise<number> {
  const removed = await store.prune()
  terminal.document({ removed })
  terminal.print(`${removed} payload(s) removed`)
  return 0
}

async function readPayload(
  { world, terminal }: Context,
  store: PayloadStore,
  id: string | undefined,
  out: string | boolean | readonly string[] | undefined,
): Promise<number> {
  if (id === undefined)
    throw new QuernError('config', 'which payload? quern payloads read ID; quern payloads list has the ids')
  const bytes = await store.read(id)
  const { readSafetensors } = await import('../../formats/safetensors.ts')
  const { tensors, metadata } = readSafetensors(bytes, `payload ${id}`)
  const shapes = [...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }))
  terminal.document({ id, ...metadata, tensors: shapes })
  for (const [key, value] of Object.entries(metadata)) terminal.print(`${key}: ${harmless(value.slice(0, 300))}`)
  for (const [name, { dtype, shape, data }] of tensors) {
    const first = Array.from(data as ArrayLike<unknown>).slice(0, 8)
    terminal.print(
      `${harmless(name)} ${dtype} [${shape.join(', ')}]: ${first.join(', ')}${data.length > 8 ? ', ...' : ''}`,
    )
  }
  if (typeof out !== 'string') return 0
  const { writeFile } = await import('node:fs/promises')
  const { resolve } = await import('node:path')
  await writeFile(resolve(world.cwd, out), bytes, { mode: 0o600 })
  terminal.note(`written to ${out}, not encrypted any more`)
  return 0
}

const columns: Column<PayloadInfo>[] = [
  { title: 'id', value: ({ id }) => id, isWhole: true },
  { title: 'time (UTC)', value: ({ time }) => new Date(time).toISOString().slice(0, 19).replace('T', ' ') },
  { title: 'bytes', value: ({ bytes }) => String(bytes) },
]
