import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createFileBlobs } from './file-blobs.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-files-'))
})
afterAll(() => rm(root, { recursive: true }))

const filled = (size: number, value: number): Uint8Array => new Uint8Array(size).fill(value)

const command = (name: string, ...options: string[]): Buffer => execFileSync(name, options, { stdio: 'ignore' })

/** A disk of 64 KiB in memory; undefined where this process may not mount. */
async function tinyDisk(): Promise<string | undefined> {
  const folder = join(root, 'disk')
  await mkdir(folder)
  try {
    command('mount', '-t', 'tmpfs', '-o', 'size=64k', 'quern-test', folder)
    return folder
  } catch {
    return undefined
  }
}

describe('a full disk', () => {
  test('is named, keeps what was there and leaves no rubbish', async ({ skip }) => {
    const disk = await tinyDisk()
    if (!disk) return skip('this process may not mount a small disk')
    try {
      const store = createFileBlobs(join(disk, 'run'))
      await store.write('checkpoints/last', filled(20_000, 1))
      const failure = store.write('checkpoints/last', filled(60_000, 2))
      await expect(failure).rejects.toMatchObject({
        kind: 'io',
        message: expect.stringMatching(/cannot write .*checkpoints\/last \(60,000 bytes\): the disk is full/),
        hint: expect.stringMatching(/Free some space.*unchanged/),
      })
      expect(await readdir(join(disk, 'run/checkpoints'))).toEqual(['last'])
      expect(await store.read('checkpoints/last')).toEqual(filled(20_000, 1))
      await expect(store.create('checkpoints/new', filled(60_000, 2))).rejects.toMatchObject({ kind: 'io' })
      await store.append('log', filled(10_000, 3))
      await expect(store.append('log', filled(60_000, 4))).rejects.toMatchObject({ kind: 'io' })
      expect(await store.read('log')).toEqual(filled(10_000, 3))
      await store.write('checkpoints/last', filled(15_000, 5))
      expect(await store.read('checkpoints/last')).toEqual(filled(15_000, 5))
    } finally {
      command('umount', disk)
    }
  })

  test.skipIf(process.platform === 'win32')('a limit of file sizes, which needs no rights', async () => {
    const folder = join(root, 'limited')
    const program = `
      import { createFileBlobs } from './src/store/file-blobs.ts'
      const store = createFileBlobs(${JSON.stringify(folder)})
      await store.write('a', new Uint8Array(1000).fill(1))
      const error = await store.write('a', new Uint8Array(200_000)).catch((e) => e)
      console.log(JSON.stringify([error.kind, error.message, (await store.read('a')).length, await store.list('')]))`
    // The limit counts blocks of 512 bytes; the signal that would end the process is ignored, so that the write fails.
    const shell = `trap '' XFSZ; ulimit -f 100; exec "$0" "$@"`
    const repository = fileURLToPath(new URL('../..', import.meta.url))
    const options = ['--import', './scripts/typescript.mjs', '--input-type=module', '--eval', program]
    const { stdout, stderr } = spawnSync('sh', ['-c', shell, process.execPath, ...options], { cwd: repository })
    expect(String(stderr)).toBe('')
    expect(JSON.parse(String(stdout))).toEqual([
      'io',
      expect.stringMatching(/limited\/a \(200,000 bytes\): the file would be larger/),
      1000,
      ['a'],
    ])
    expect(await readdir(folder)).toEqual(['a'])
  })
})

describe('folders', () => {
  test('a file where a folder is needed', async () => {
    await writeFile(join(root, 'file'), 'x')
    const store = createFileBlobs(join(root, 'file'))
    await expect(store.write('a', filled(1, 1))).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining('a file stands where a folder is needed'),
    })
    await expect(store.create('a', filled(1, 1))).rejects.toMatchObject({ kind: 'io' })
    await expect(store.create('b/a', filled(1, 1))).rejects.toMatchObject({ kind: 'io' })
  })

  test('a folder without permission', async ({ skip }) => {
    if (process.getuid?.() === 0 || process.platform === 'win32') return skip('the superuser may write everywhere')
    const folder = join(root, 'closed')
    await mkdir(folder)
    await chmod(folder, 0o500)
    await expect(createFileBlobs(folder).write('a', filled(1, 1))).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining('no permission'),
    })
    await chmod(folder, 0o700)
  })

  test('a folder that cannot be made names the file', async ({ skip }) => {
    if (!existsSync('/proc/self')) return skip('needs /proc, where nobody may make folders')
    await expect(createFileBlobs('/proc/self/quern').write('a', filled(1, 1))).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining('cannot write /proc/self/quern/a (1 bytes)'),
      hint: expect.stringContaining('Make the folder, or choose another'),
    })
  })

  test('an emptied folder goes, and its root stays', async () => {
    const store = createFileBlobs(join(root, 'emptied'))
    await store.write('a/b/c', filled(1, 1))
    await store.remove('a/b/c')
    expect(await readdir(join(root, 'emptied'))).toEqual([])
  })
})

describe.skipIf(process.platform === 'win32')('symbolic links', () => {
  test('may stay inside and may not lead out', async () => {
    const [inside, outside] = [join(root, 'inside'), join(root, 'inside-not')]
    await mkdir(outside)
    await writeFile(join(outside, 'secret'), 'x')
    const store = createFileBlobs(inside)
    await store.write('real/a', filled(3, 1))
    await symlink(join(inside, 'real'), join(inside, 'near'))
    await symlink(outside, join(inside, 'far'))
    await symlink(join(outside, 'secret'), join(inside, 'leak'))
    expect(await store.read('near/a')).toEqual(filled(3, 1))
    for (const key of ['far/secret', 'leak']) {
      await expect(store.read(key)).rejects.toMatchObject({
        kind: 'input',
        message: expect.stringContaining('leads out'),
      })
      await expect(store.append(key, filled(1, 1))).rejects.toMatchObject({ kind: 'input' })
      await expect(store.exists(key)).rejects.toMatchObject({ kind: 'input' })
    }
    await expect(store.write('far/new', filled(1, 1))).rejects.toMatchObject({ kind: 'input' })
    await expect(store.list('far/')).rejects.toMatchObject({ kind: 'input' })
    expect(await readdir(outside)).toEqual(['secret'])
  })

  test('a root that is a link works', async () => {
    await mkdir(join(root, 'true-root'))
    await symlink(join(root, 'true-root'), join(root, 'linked-root'))
    const store = createFileBlobs(join(root, 'linked-root'))
    await store.write('a/b', filled(2, 2))
    expect(await createFileBlobs(join(root, 'true-root')).read('a/b')).toEqual(filled(2, 2))
  })
})
