/** What goes wrong in training, and what is left afterwards. Real pictures, real files, the real runtime. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inspectData } from '../../src/actions/inspect.ts'
import { findBundle } from '../../src/actions/open-model.ts'
import { resolveProject } from '../../src/actions/project.ts'
import { listRuns, showRun } from '../../src/actions/runs.ts'
import type { Services } from '../../src/actions/services.ts'
import { trainModel } from '../../src/actions/train.ts'
import { QuernError } from '../../src/core/errors.ts'
import { conv2d, dense, flatten, maxPooling2d, sequential } from '../../src/nn/index.ts'
import { readModel } from '../../src/onnx/read.ts'
import type { AppendableBlobStore } from '../../src/store/blobs.ts'
import { createFileBlobs } from '../../src/store/file-blobs.ts'
import { createRunStore } from '../../src/store/file-runs.ts'
import { createProjectFolder, type ProjectFolder, perClass, smallConfig, train } from './project-folder.ts'

let folder: ProjectFolder

beforeAll(async () => {
  folder = await createProjectFolder()
})
afterAll(() => folder.remove())

const image = { height: 12, width: 12, channels: 1 }
const runFile = (run: string, name: string) => join(folder.root, '.quern/runs', run, name)

describe('a configuration', () => {
  const resolve = (raw: unknown) => () => resolveProject(raw, { root: '/home/me/my app', what: 'quern.config.ts' })
  const { name: _, ...unnamed } = smallConfig

  it('takes its name from the folder when it has none', () => {
    expect(resolve(unnamed)().name).toBe('my-app')
  })

  it.each([
    [undefined, /quern.config.ts must export a configuration object, received undefined/],
    [null, /received null/],
    [{}, /the configuration needs a task: image-classification/],
    [{ ...smallConfig, task: 'image-clasification' }, /Did you mean 'image-classification'/],
    [{ ...smallConfig, dta: {} }, /unknown key 'dta'. Did you mean 'data'\?/],
    [{ ...smallConfig, data: { source: 'x', splitt: {} } }, /unknown key 'data.splitt'. Did you mean 'split'\?/],
    [{ ...smallConfig, data: {} }, /'data.source' expected string, received nothing/],
    [{ ...smallConfig, model: 'cn' }, /'model' .*'cnn'.*received "cn"/],
    [{ ...smallConfig, augment: { flip: true } }, /unknown key 'augment.flip'/],
    [{ ...smallConfig, train: { optimizer: 'adm' } }, /unknown optimizer "adm". Did you mean 'adam'\?/],
    [{ ...smallConfig, train: { schedule: 'cosin' } }, /unknown schedule "cosin". Did you mean 'cosine'\?/],
    [{ ...smallConfig, metrics: ['acuracy'] }, /unknown metric 'acuracy'/],
    [{ ...smallConfig, train: { monitor: 'validationLos' } }, /Did you mean 'validationLoss'\?/],
  ])('is refused, case %#', (raw, message) => {
    expect(resolve(raw)).toThrow(message)
    expect(resolve(raw)).toThrow(expect.objectContaining({ kind: 'config' }))
  })
})

describe('resuming', () => {
  it('gives the model file of the uninterrupted run, bit for bit, wherever it was stopped', async () => {
    const project = folder.project({ augment: { shift: 0.1, flipHorizontal: true } })
    const whole = await train(folder.services, project)
    const expected = await readFile(join(folder.root, whole.result.bundle!, 'model.onnx'))
    const steps = whole.events.filter(({ type }) => type === 'step').length
    // In the middle of an epoch, and after the last step of one.
    for (const at of [2, steps / 3]) {
      const controller = new AbortController()
      const stopped = await train(folder.services, project, { signal: controller.signal }, (event) => {
        if (event.type === 'step' && event.step === at) controller.abort()
      })
      const { run } = stopped.result
      expect(stopped.result).toMatchObject({ state: 'interrupted', bundle: undefined })
      expect((await showRun(folder.services, run)).status.state).toBe('interrupted')
      const resumed = await train(folder.services, project, { resume: run })
      expect(resumed.result).toMatchObject({ run, state: 'finished', scores: whole.result.scores })
      expect(expected.equals(await readFile(join(folder.root, resumed.result.bundle!, 'model.onnx')))).toBe(true)
      const { events, status } = await showRun(folder.services, run)
      expect(events.flatMap((event) => (event.type === 'epoch' ? [event.epoch] : []))).toEqual([1, 2, 3])
      expect(status.state).toBe('finished')
    }
  })

  it('is refused with another configuration, and leaves the run as it was', async () => {
    const controller = new AbortController()
    const { result } = await train(folder.services, folder.project(), { signal: controller.signal }, (event) => {
      if (event.type === 'step') controller.abort()
    })
    const other = folder.project({ seed: 4 })
    await expect(train(folder.services, other, { resume: result.run })).rejects.toThrow(
      /the configuration or the data changed since the checkpoint was written/,
    )
    expect((await showRun(folder.services, result.run)).status.state).toBe('interrupted')
    await train(folder.services, folder.project(), { resume: result.run })
    expect((await showRun(folder.services, result.run)).status.state).toBe('finished')
  })

  it('needs a run, with a checkpoint, that nobody is training', async () => {
    await expect(train(folder.services, folder.project(), { resume: 'no-such-run' })).rejects.toThrow(
      /there is no run 'no-such-run'/,
    )
    const config = { name: 'shapes', task: 'image-classification', config: {}, environment: {} }
    const run = await folder.services.runs.create(config)
    await expect(train(folder.services, folder.project(), { resume: run.id })).rejects.toThrow(
      /is running \(process \d+ on .*\): two processes cannot train the same run/,
    )
    await run.update({ state: 'interrupted' })
    await expect(train(folder.services, folder.project(), { resume: run.id })).rejects.toThrow(
      /has no checkpoint to go on from: it is interrupted/,
    )
  })

  it("means the newest unfinished run by 'latest', and does not hide the newest model", async () => {
    const finished = await train(folder.services, folder.project())
    await expect(train(folder.services, folder.project(), { resume: finished.result.run })).rejects.toThrow(
      /is finished: there is nothing to go on with/,
    )
    const controller = new AbortController()
    const { result } = await train(folder.services, folder.project(), { signal: controller.signal }, (event) => {
      if (event.type === 'step') controller.abort()
    })
    expect((await findBundle(folder.services, 'latest')).run).toBe(finished.result.run)
    await train(folder.services, folder.project())
    const resumed = await train(folder.services, folder.project(), { resume: 'latest' })
    expect(resumed.result).toMatchObject({ run: result.run, state: 'finished' })
  })

  it('is possible after the consumer of the events has gone away', async () => {
    let id = ''
    for await (const event of trainModel(folder.services, folder.project())) {
      if (event.type === 'run') id = event.id
      if (event.type === 'checkpoint') break
    }
    expect((await showRun(folder.services, id)).status.state).toBe('interrupted')
    const { result } = await train(folder.services, folder.project(), { resume: id })
    expect(result.state).toBe('finished')
  })

  it('is possible after an abort while the results were written', async () => {
    const controller = new AbortController()
    const { result } = await train(folder.services, folder.project(), { signal: controller.signal }, (event) => {
      if (event.type === 'done') controller.abort()
    })
    expect(result.state).toBe('interrupted')
    expect((await showRun(folder.services, result.run)).status.state).toBe('interrupted')
    const again = await train(folder.services, folder.project(), { resume: result.run })
    expect(again.result.state).toBe('finished')
  })
})

describe('a model of the user’s own', () => {
  const own = (...last: Parameters<typeof sequential>[0]) =>
    folder.project({
      model: sequential([conv2d({ filters: 4, kernelSize: 3, activation: 'relu' }), maxPooling2d(), ...last]),
    })

  it('is trained as the named ones are, and scores without a softmax get one', async () => {
    const { result } = await train(folder.services, own(flatten(), dense({ units: 3 })))
    const { graph } = await readModel(await readFile(join(folder.root, result.bundle!, 'model.onnx')))
    expect(graph.nodes.filter(({ op }) => op === 'Softmax').length).toBe(1)
    expect(graph.nodes.at(-1)!.op).toBe('Softmax')
    const config = JSON.stringify((await showRun(folder.services, result.run)).config)
    expect(config).toContain('"kind":"conv2d"')
  })

  it('gets no second softmax', async () => {
    const { result } = await train(folder.services, own(flatten(), dense({ units: 3, activation: 'softmax' })))
    const { graph } = await readModel(await readFile(join(folder.root, result.bundle!, 'model.onnx')))
    expect(graph.nodes.filter(({ op }) => op === 'Softmax').length).toBe(1)
  })

  it('must answer one number for each class; no run is made otherwise', async () => {
    const before = (await listRuns(folder.services)).length
    await expect(train(folder.services, own(flatten(), dense({ units: 4 })))).rejects.toThrow(
      'the model must answer [batch, 3], one number for each class; its output is [batch, 4]',
    )
    await expect(train(folder.services, own())).rejects.toThrow('its output is [batch, 4, 5, 5]')
    expect((await listRuns(folder.services)).length).toBe(before)
  })
})

describe('data', () => {
  const source = (name: string) => join(folder.root, name)
  const project = (name: string, changes: object = {}) => folder.project({ data: { source: name, image, ...changes } })

  async function copyOf(name: string, counts: Readonly<Record<string, number>>): Promise<void> {
    for (const [label, count] of Object.entries(counts)) {
      await mkdir(join(source(name), label), { recursive: true })
      for (let i = 0; i < count; i++) {
        await writeFile(
          join(source(name), label, `${i}.png`),
          await readFile(join(source('photos'), label, `${i}.png`)),
        )
      }
    }
  }

  it('with broken pictures is refused, or goes on without them and says which', async () => {
    await copyOf('broken', { circle: 12, square: 12 })
    const whole = await readFile(join(source('photos'), 'circle/0.png'))
    await writeFile(join(source('broken'), 'circle/0.png'), whole.subarray(0, whole.length / 2))
    await writeFile(join(source('broken'), 'square/3.png'), '')
    await expect(train(folder.services, project('broken'))).rejects.toThrow(/2 of 24 pictures .* cannot be read/)
    // Inspection refuses nothing: it is what lists them all.
    expect(await inspectData(folder.services, project('broken'))).toMatchObject({ broken: { length: 2 } })
    const { events } = await train(folder.services, project('broken', { onBroken: 'skip' }))
    const [data] = events
    expect(data).toMatchObject({ type: 'data', report: { examples: 22 } })
    const names = data?.type === 'data' ? data.report.broken.map(({ name }) => name) : []
    expect(names.sort()).toEqual(['circle/0.png', 'square/3.png'])
  })

  it('with a class of one picture says which, and trains where it is not to be divided by class', async () => {
    await copyOf('lonely', { circle: 12, square: 12, triangle: 1 })
    await expect(train(folder.services, project('lonely'))).rejects.toThrow(
      /class 'triangle' has one example, triangle\/0.png/,
    )
    const { result } = await train(folder.services, project('lonely', { split: { stratified: false } }))
    expect(result.state).toBe('finished')
  })

  it('without a test split, or without any, is trained all the same', async () => {
    const some = await train(folder.services, project('photos', { split: { validation: 0.2, test: 0 } }))
    expect(Object.keys(some.result.scores)).toEqual(['validation'])
    const none = await train(folder.services, project('photos', { split: { validation: 0, test: 0 } }))
    expect(none.result).toMatchObject({ state: 'finished', scores: {}, report: undefined })
    expect(none.events[0]).toMatchObject({ examples: { train: 3 * perClass } })
  })

  it('of one class, of none and in no folder is refused', async () => {
    await copyOf('single', { circle: 4 })
    await expect(train(folder.services, project('single'))).rejects.toThrow(/two classes or more/)
    await mkdir(source('empty'))
    await expect(train(folder.services, project('empty'))).rejects.toThrow(/holds no pictures/)
    await expect(train(folder.services, project('fotos'))).rejects.toThrow(/fotos/)
  })
})

describe('a run that fails', () => {
  it('is marked as failed, with the error', async () => {
    const diverging = folder.project({
      train: { epochs: 2, batchSize: 16, optimizer: { name: 'sgd', learningRate: 1e30 } },
    })
    const error = await train(folder.services, diverging).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(QuernError)
    expect((error as QuernError).kind).toBe('numeric')
    const [newest] = await listRuns(folder.services)
    expect(newest).toMatchObject({ state: 'failed', error: (error as QuernError).message })
  })

  it('on a full disk keeps the checkpoint before, from which it goes on when there is room', async () => {
    let room = 3 // whole checkpoints: best and last of the first epoch, best or last of the second
    const written = new Map<string, Uint8Array>()
    const files = createFileBlobs(join(folder.root, '.quern/runs'))
    const filling: AppendableBlobStore = {
      ...files,
      write: async (key, bytes) => {
        if (key.endsWith('.safetensors') && room-- <= 0) {
          throw new QuernError('io', `cannot write ${key}: no space left on the device`)
        }
        await files.write(key, bytes)
        if (key.endsWith('last.safetensors')) written.set('last', bytes.slice())
      },
    }
    const services: Services = { ...folder.services, runs: createRunStore(filling, folder.services.clock) }
    await expect(train(services, folder.project())).rejects.toThrow(/no space left on the device/)
    const [failed] = await listRuns(folder.services)
    expect(failed).toMatchObject({ state: 'failed', error: expect.stringContaining('no space left') })
    const last = await readFile(runFile(failed!.id, 'checkpoints/last.safetensors'))
    expect(last.equals(written.get('last')!)).toBe(true)
    expect((await readdir(runFile(failed!.id, 'checkpoints'))).sort()).toEqual(['best.safetensors', 'last.safetensors'])

    const { result } = await train(folder.services, folder.project(), { resume: failed!.id })
    expect(result.state).toBe('finished')
    const { status } = await showRun(folder.services, result.run)
    expect(status.state).toBe('finished')
    expect(status.error).toBeUndefined()
    const model = await readFile(join(folder.root, result.bundle!, 'model.onnx'))
    const whole = await train(folder.services, folder.project())
    expect(model.equals(await readFile(join(folder.root, whole.result.bundle!, 'model.onnx')))).toBe(true)
  })

  it('shows its own error when the disk refuses even the status', async () => {
    const files = createFileBlobs(join(folder.root, '.quern/full'))
    let isFull = false
    const full: AppendableBlobStore = {
      ...files,
      write: async (key, bytes) => {
        if (key.endsWith('.safetensors')) isFull = true
        if (isFull) throw new QuernError('io', `cannot write ${key}: no space left on the device`)
        await files.write(key, bytes)
      },
    }
    const services: Services = { ...folder.services, runs: createRunStore(full, folder.services.clock) }
    await expect(train(services, folder.project())).rejects.toThrow(/checkpoints\/.*no space left/)
    await rm(join(folder.root, '.quern/full'), { recursive: true })
  })
})
