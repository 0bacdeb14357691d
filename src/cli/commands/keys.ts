import { QuernError, suggestion } from '../../core/errors.ts'
import type { KeyRecord, KeyScope, KeyStore, KeyTerms } from '../../store/keys.ts'
import type { Command, Context, OptionValues } from '../command.ts'
import { wholeNumber } from '../command.ts'
import { type Column, table } from '../render/table.ts'
import { harmless } from '../render/text-width.ts'

const actions = ['create', 'list', 'revoke'] as const

export const keys: Command = {
  name: 'keys',
  summary: 'the keys with which clients ask the server: create, list, revoke',
  arguments: [
    ['<action>', 'create, list or revoke'],
    ['[key]', 'create: whose it is; revoke: its id, or the beginning of it'],
  ],
  options: [
    { flags: '--scope <scope...>', summary: 'infer, admin, metrics: what it may do (default: infer)' },
    { flags: '--expires <when>', summary: 'a date such as 2027-01-31, or a time from now such as 90d, 12h, 30m' },
    { flags: '--plan <name>', summary: 'what was agreed with its holder' },
    { flags: '--priority <n>', summary: 'of its requests, 0 to 100; the higher goes first (default: 0)' },
    { flags: '--max-running <n>', summary: 'requests at once; more are answered 429 (default: no limit of its own)' },
  ],
  examples: [
    'quern keys create shop --expires 90d',
    'quern keys create operator --scope infer admin metrics',
    'quern keys list',
    'quern keys revoke k3fQ9x',
  ],
  async run(context, [action = '', subject], options) {
    const { openKeys } = await import('../access.ts')
    const store = openKeys(context.world)
    if (action === 'create') return createKey(context, store, subject, options)
    if (action === 'list') {
      if (subject !== undefined) throw new QuernError('config', `quern keys list takes no key, received '${subject}'`)
      return listKeys(context, store)
    }
    if (action === 'revoke') return revokeKey(context, store, subject)
    throw new QuernError('config', `quern keys has no action '${action}'. ${suggestion(action, actions)}`)
  },
}

async function createKey(
  { world, terminal }: Context,
  store: KeyStore,
  name: string | undefined,
  options: OptionValues,
): Promise<number> {
  if (name === undefined) throw new QuernError('config', 'whose key is it? quern keys create NAME')
  const { key, record } = await store.create(await termsFrom(name, options, world.now()))
  terminal.document({ key, ...shown(record, world.now()) })
  const until = record.expires === undefined ? 'until it is revoked' : `until ${when(record.expires)} UTC`
  terminal.print(terminal.colors.bold(key))
  terminal.note(`only its hash is kept: copy it now. ${record.scopes.join(', ')}; valid ${until}`)
  return 0
}

async function listKeys({ world, terminal }: Context, store: KeyStore): Promise<number> {
  const now = world.now()
  const list = (await store.list()).map((record) => shown(record, now))
  terminal.document(list)
  if (list.length === 0) terminal.print('no keys yet: make one with `quern keys create NAME`')
  else terminal.print(...table(columns, list, { width: terminal.width, title: terminal.colors.dim }))
  return 0
}

async function revokeKey({ world, terminal }: Context, store: KeyStore, id: string | undefined): Promise<number> {
  if (id === undefined) throw new QuernError('config', 'which key? quern keys revoke ID; quern keys list has the ids')
  const record = await store.revoke(id)
  terminal.document(shown(record, world.now()))
  terminal.print(`${record.id} (${harmless(record.name)}) is revoked; servers that run refuse it within a second`)
  return 0
}

async function termsFrom(name: string, options: OptionValues, now: number): Promise<KeyTerms> {
  const { keyScopes } = await import('../../store/keys.ts')
  if (name.length > 100 || name === '') {
    throw new QuernError('config', `the name of a key has 1 to 100 characters, received ${name.length}`)
  }
  const scopes = [options.scope ?? ['infer']].flat().map(String)
  for (const scope of scopes) {
    if (keyScopes.includes(scope as KeyScope)) continue
    throw new QuernError('config', `--scope: there is no scope '${scope}'. ${suggestion(scope, keyScopes)}`)
  }
  const { priority, maxRunning, plan, expires } = options
  return {
    name,
    scopes: [...new Set(scopes)] as KeyScope[],
    ...(expires === undefined ? {} : { expires: new Date(timeFrom(String(expires), now)).toISOString() }),
    ...(plan === undefined ? {} : { plan: String(plan) }),
    ...(priority === undefined ? {} : { priority: wholeNumber(priority, '--priority', 0, 100) }),
    ...(maxRunning === undefined ? {} : { maxRunning: wholeNumber(maxRunning, '--max-running', 1, 1_000_000) }),
  }
}

const unitMilliseconds: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A point of time after now, in milliseconds since 1970. */
function timeFrom(text: string, now: number): number {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  const isDate = /^\d{4}-\d\d-\d\d(?:T[\d:.]+Z)?$/.test(text)
  const time = count ? now + Number(count) * unitMilliseconds[unit!]! : isDate ? Date.parse(text) : Number.NaN
  if (time > now && time < Date.UTC(10_000, 0)) return time
  throw new QuernError(
    'config',
    `--expires must be a time to come, such as 90d, 12h, 30m or 2027-01-31, received '${text.slice(0, 40)}'`,
  )
}

interface Shown extends Omit<KeyRecord, 'sha256'> {
  readonly state: string
}

function shown({ sha256: _, ...record }: KeyRecord, now: number): Shown {
  const isExpired = record.expires !== undefined && Date.parse(record.expires) <= now
  return { ...record, state: record.revoked !== undefined ? 'revoked' : isExpired ? 'expired' : 'valid' }
}

const when = (iso: string): string => iso.slice(0, 16).replace('T', ' ')

const columns: Column<Shown>[] = [
  { title: 'id', value: ({ id }) => id, isWhole: true },
  { title: 'name', value: ({ name }) => harmless(name) },
  { title: 'state', value: ({ state }) => state },
  { title: 'scopes', value: ({ scopes }) => scopes.join(', ') },
  { title: 'created (UTC)', value: ({ created }) => when(created) },
  { title: 'expires', value: ({ expires }) => (expires === undefined ? '' : when(expires)) },
  { title: 'plan', value: ({ plan = '' }) => harmless(plan) },
]
