/** `s3://bucket/key`: objects are copied to the user's cache once for each content, and read there as any file. */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve, sep } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { messageOf, QuernError, suggestion } from '../../core/errors.ts'
import { fixedPart, isPattern, patternOf } from './glob.ts'
import type { OriginOptions } from './table-origin.ts'

export interface Mirrored {
  /** folder that stands for the bucket */
  readonly folder: string
  /** absolute paths of the copies, sorted by key */
  readonly paths: readonly string[]
}

interface Listed {
  readonly Key: string
  readonly Size: number
  readonly ETag: string
}

/** Copies the objects of an address: one key, a pattern, or all below a prefix that ends in '/'. Throws when there are none. */
export async function mirrorObjects(address: string, options: OriginOptions): Promise<Mirrored> {
  const found = /^s3:\/\/([^/]+)\/(.*)$/.exec(address)
  if (!found) {
    throw new QuernError('config', `data.source: ${address} is no address of an object`, {
      hint: 'Expected s3://bucket/key, s3://bucket/folder/*.csv or s3://bucket/folder/.',
    })
  }
  const [, bucket = '', key = ''] = found
  const { client, endpoint } = await connect(bucket, options)
  const prefix = isPattern(key) ? fixedPart(key) : key
  let listed: readonly Listed[]
  try {
    listed = ((await client.listObjects('/', prefix)) ?? []) as readonly Listed[]
  } catch (cause) {
    throw failure(address, endpoint, cause)
  }
  const pattern = isPattern(key) ? patternOf(key) : undefined
  const isWanted = (name: string): boolean => {
    if (name.endsWith('/')) return false
    return pattern ? pattern.test(name) : key.endsWith('/') || key === '' || name === key
  }
  const objects = listed.filter(({ Key }) => isWanted(Key)).sort((a, b) => (a.Key < b.Key ? -1 : 1))
  if (objects.length === 0) {
    const names = listed.map(({ Key }) => Key)
    throw new QuernError('missing', `${address}: there is no such object`, {
      hint:
        names.length > 0
          ? suggestion(key, names.slice(0, 1000))
          : `The bucket '${bucket}' has nothing below '${prefix}'.`,
    })
  }
  const cache = options.cache ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'quern')
  const folder = join(cache, 's3', createHash('sha256').update(endpoint).digest('hex').slice(0, 24))
  const paths: string[] = []
  for (const object of objects) {
    const path = resolve(folder, object.Key)
    if (!path.startsWith(folder + sep))
      throw new QuernError('input', `${address}: the key ${object.Key} leads out of the bucket`)
    await copy(client, object, path, `s3://${bucket}/${object.Key}`)
    paths.push(path)
  }
  return { folder, paths }
}

async function connect(bucket: string, { environment = process.env }: OriginOptions) {
  const { S3mini } = await import('s3mini')
  const need = (name: string): string => {
    const value = environment[name]
    if (value) return value
    throw new QuernError('config', `s3://${bucket}: the environment has no ${name}`, {
      hint: 'Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, and AWS_ENDPOINT_URL for servers other than those of AWS.',
    })
  }
  const region = environment.AWS_REGION ?? environment.AWS_DEFAULT_REGION ?? 'us-east-1'
  const base = environment.AWS_ENDPOINT_URL_S3 ?? environment.AWS_ENDPOINT_URL ?? `https://s3.${region}.amazonaws.com`
  const endpoint = `${base.replace(/\/$/, '')}/${bucket}`
  const keys = { accessKeyId: need('AWS_ACCESS_KEY_ID'), secretAccessKey: need('AWS_SECRET_ACCESS_KEY') }
  return { client: new S3mini({ ...keys, endpoint, region }), endpoint }
}

type Client = Awaited<ReturnType<typeof connect>>['client']

/** Streams an object to its place, unless the same content is there. It is moved there when it is whole. */
async function copy(client: Client, { Key, Size, ETag }: Listed, path: string, what: string): Promise<void> {
  const tag = client.sanitizeETag(ETag)
  const mark = `${path}.etag`
  const [there, known] = await Promise.all([stat(path).catch(() => undefined), readFile(mark, 'utf8').catch(() => '')])
  if (there?.size === Number(Size) && known === tag) return
  const part = `${path}.${process.pid}.part`
  await mkdir(dirname(path), { recursive: true })
  try {
    const response = await client.getObjectResponse(Key)
    if (!response?.body) throw new Error('the object is gone')
    await pipeline(Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]), createWriteStream(part))
    const came = client.sanitizeETag(response.headers.get('etag') ?? ETag)
    const { size } = await stat(part)
    if (size !== Number(Size) || came !== tag) {
      throw new QuernError('input', `${what} was changed while it was read: ${Size} bytes before, ${size} now`, {
        hint: 'Read it again when nobody writes to it.',
      })
    }
    await rm(mark, { force: true })
    await rename(part, path)
    await writeFile(mark, tag)
  } catch (cause) {
    throw cause instanceof QuernError ? cause : failure(what, '', cause)
  } finally {
    await rm(part, { force: true })
  }
}

function failure(what: string, endpoint: string, cause: unknown): QuernError {
  const inner = (cause as { cause?: unknown }).cause
  const reason = inner === undefined ? messageOf(cause) : `${messageOf(cause)} (${messageOf(inner)})`
  return new QuernError(
    'io',
    `${what} cannot be read${endpoint === '' ? '' : ` from ${endpoint}`}: ${reason.split('\n')[0]}`,
    {
      hint: 'Look at the address, AWS_ENDPOINT_URL and the keys.',
      cause,
    },
  )
}
