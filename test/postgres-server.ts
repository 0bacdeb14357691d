/** A PostgreSQL server of a test's own: a new cluster in a temporary folder, on a free port of this machine, ended by its process id. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findPostgres } from '../scripts/postgres.mjs'

const run = promisify(execFile)

/** Folder of the server's programs; undefined where there is none. */
export const postgresFolder: string | undefined = findPostgres()
/** Why tests are skipped: stands in their names. */
export const noPostgres: string | undefined = postgresFolder
  ? undefined
  : (process.env.QUERN_NO_POSTGRES ?? 'PostgreSQL is not installed')

export interface PostgresServer {
  /** `postgres://user:${QUERN_TEST_PASSWORD}@127.0.0.1:port/postgres` */
  readonly address: string
  readonly environment: Readonly<Record<string, string>>
  /** the same with the password in it, for a client of the test's own */
  readonly url: string
  /** ends it at once, as a crash does */
  crash(): Promise<void>
  stop(): Promise<void>
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** PostgreSQL does not run as root: Debian's package made a user for it. */
function identity(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const idOf = (option: string): number => Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }))
  return { uid: idOf('-u'), gid: idOf('-g') }
}

export async function startPostgres(): Promise<PostgresServer> {
  const programs = postgresFolder!
  const root = await mkdtemp(join(tmpdir(), 'quern-postgres-'))
  const who = identity()
  const password = 'of a test: 100% safe'
  await writeFile(join(root, 'password'), password)
  if (who.uid !== undefined) for (const path of [root, join(root, 'password')]) await chown(path, who.uid, who.gid!)
  const data = join(root, 'data')
  const options = ['-D', data, '-U', 'quern', '--auth=scram-sha-256', '--no-sync', '--encoding=UTF8', '--locale=C']
  await run(join(programs, 'initdb'), [...options, `--pwfile=${join(root, 'password')}`], { ...who, cwd: root })
  const port = await freePort()
  const settings = ['-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${root}`, '-c', 'fsync=off']
  const child = spawn(join(programs, 'postgres'), ['-D', data, '-p', String(port), ...settings], {
    ...who,
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  await isReady(child)
  const end = async (signal: 'SIGQUIT' | 'SIGINT'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }
  return {
    address: `postgres://quern:\${QUERN_TEST_PASSWORD}@127.0.0.1:${port}/postgres`,
    environment: { QUERN_TEST_PASSWORD: password },
    url: `postgres://quern:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`,
    crash: () => end('SIGQUIT'),
    async stop() {
      await end('SIGINT')
      await rm(root, { recursive: true, force: true })
    },
  }
}

function isReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      log += text
      if (log.includes('ready to accept connections')) resolve()
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`postgres ended with ${code}\n${log}`)))
  })
}
