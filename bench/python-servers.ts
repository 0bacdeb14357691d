/** The peers of `serve-peer`: servers of PyPI in environments of their own, as processes that are ended afterwards. */
import { spawn } from 'node:child_process'
import { type AddressInfo, connect, createServer } from 'node:net'
import { dirname } from 'node:path'
import { QuernError } from '../src/core/errors.ts'
import { peerProgram } from './peers.ts'
import { requirePythonPeer } from './python-peers.ts'

export interface PeerServer {
  readonly port: number
  readonly version: string
  close(): Promise<void>
}

/** FastAPI in two processes of uvicorn. */
export async function startFastApi(modelFile: string, progress: (message: string) => void): Promise<PeerServer> {
  return start('fastapi', progress, (port) => ({
    words: [peerProgram('fastapi_server.py'), String(port), modelFile, '2'],
    env: {},
  }))
}

/** BentoML with two workers and its adaptive batches. */
export async function startBentoMl(
  modelFile: string,
  folder: string,
  progress: (message: string) => void,
): Promise<PeerServer> {
  const program = peerProgram('bentoml_service.py')
  const service = ['bentoml_service:Mlp', '--working-dir', dirname(program)]
  return start('bentoml', progress, (port) => ({
    words: ['-m', 'bentoml', 'serve', ...service, '--host', '127.0.0.1', '--port', String(port)],
    env: {
      ...{ MODEL: modelFile, WORKERS: '2', BATCHED: '1', BENTOML_HOME: folder },
      ...{ BENTOML_DO_NOT_TRACK: 'True', PYTHONDONTWRITEBYTECODE: '1' },
    },
  }))
}

interface PeerCommand {
  readonly words: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

async function start(
  name: string,
  progress: (message: string) => void,
  commandAt: (port: number) => PeerCommand,
): Promise<PeerServer> {
  const { python, version } = await requirePythonPeer(name, progress)
  const port = await freePort()
  const { words, env } = commandAt(port)
  // A group of its own: its workers end with it. What it says goes to stderr: stdout is the figure's.
  const child = spawn(python, words, {
    stdio: ['ignore', process.stderr, process.stderr],
    detached: true,
    env: { ...process.env, ...env },
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const close = async (): Promise<void> => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
    await ended
  }
  for (let tries = 0; tries < 150; tries++) {
    if (await answers(port)) {
      // Both workers, not the first alone.
      await new Promise((resolve) => setTimeout(resolve, 2000))
      return { port, version, close }
    }
    if (child.exitCode !== null) break
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  await close()
  throw new QuernError('missing', `the peer ${name} did not start; what it said stands above`)
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
