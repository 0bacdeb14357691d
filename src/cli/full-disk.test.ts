/** A disk that fills up while a model is trained: the run goes on from its last checkpoint once there is space. */
import { execFileSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { quern } from '../../test/command-line.ts'
import { mnistFile } from '../../test/mnist-files.ts'

const command = (name: string, ...options: string[]): Buffer => execFileSync(name, options, { stdio: 'ignore' })

function mount(folder: string, size: string): boolean {
  try {
    command('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'quern-test', folder)
    return true
  } catch {
    return false
  }
}

test('training stops with the reason, and can be resumed once it has a checkpoint', { timeout: 120_000 }, async ({
  skip,
}) => {
  const cwd = await mkdtemp(join(tmpdir(), 'quern-disk-'))
  const disk = join(cwd, '.quern')
  await mkdir(disk)
  // A checkpoint of this network takes 0.96 MB, and while it is replaced there are two.
  if (!mount(disk, '2100k')) {
    await rm(cwd, { recursive: true })
    return skip('this process may not mount a small disk')
  }
  try {
    for (const kind of ['images-idx3-ubyte', 'labels-idx1-ubyte'] as const) {
      await cp(mnistFile(`t10k-${kind}`), join(cwd, 'data', `train-${kind}`))
    }
    const config = { task: 'image-classification', data: { source: './data' }, model: 'mlp', train: { epochs: 3 } }
    await writeFile(join(cwd, 'quern.config.json'), JSON.stringify(config))
    const full = await quern(['train'], { cwd })
    expect(full.code).toBe(1)
    expect(full.stderr).toMatch(/cannot write .*last\.safetensors \([\d,]+ bytes\): the disk is full\nFree some space/)
    expect(full.stdout).toMatch(/^epoch 1\/3/m)
    const id = /quern train --resume (\S+)/.exec(full.stderr)![1]!
    command('mount', '-o', 'remount,size=1600k', disk)
    const none = await quern(['train'], { cwd })
    expect(none.stderr).toMatch(/the disk is full\nFree some space/)
    expect(none.stderr).not.toContain('--resume')
    command('mount', '-o', 'remount,size=20m', disk)
    const resumed = await quern(['train', '--resume', id], { cwd })
    expect(resumed.code, resumed.stderr).toBe(0)
    expect(resumed.stdout).toContain('going on after step 282')
    expect(resumed.stdout).toMatch(/^epoch 3\/3/m)
  } finally {
    command('umount', disk)
    await rm(cwd, { recursive: true })
  }
})
