/** The peer of `serve-peer`: FastAPI in an environment of its own, as a process that is ended afterwards. */
import { spawn } from 'node:child_process'
import { type AddressInfo, connect, createServer } from 'node:net'
import { QuernError } from '../src/core/errors.ts'
import { peerProgram } from './peers.ts'
import { requirePythonPeer } from './python-peers.ts'

export interface PeerServer {
  readonly port: number
  readonly version: string
  close(): Promise<void>
}

export async function startFastApi(modelFile: string, progress: (message: string) => void): Promise<PeerServer> {
  const { python, version } = await requirePythonPeer('fastapi', progress)
  const port = await freePort()
  // A group of its own: uvicorn's workers end with it.
  const child = spawn(python, [peerProgram('fastapi_server.py'), String(port), modelFile, '2'], {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
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
  throw new QuernError('missing', 'the peer FastAPI did not start; what it said stands above')
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
