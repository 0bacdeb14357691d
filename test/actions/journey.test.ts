/** What a user does, in order, by the actions behind the commands: on real pictures, real files, the real runtime. */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { drawShape } from '../../examples/own-pictures/draw-shapes.ts'
import { evaluateModel } from '../../src/actions/evaluate.ts'
import { exportModel } from '../../src/actions/export.ts'
import { initProject } from '../../src/actions/init.ts'
import { inspectData } from '../../src/actions/inspect.ts'
import { openModel } from '../../src/actions/open-model.ts'
import { type PredictedFile, predictFiles } from '../../src/actions/predict.ts'
import { resolveProject } from '../../src/actions/project.ts'
import { listRuns, showRun } from '../../src/actions/runs.ts'
import { scoreDataset } from '../../src/actions/score-dataset.ts'
import type { TrainProgress, TrainResult } from '../../src/actions/train.ts'
import { openBundle } from '../../src/bundle/bundle.ts'
import { createPipeline } from '../../src/bundle/pipeline.ts'
import type { Prediction } from '../../src/bundle/task-pipeline.ts'
import { unzipBundle } from '../../src/bundle/zip.ts'
import { loadConfig } from '../../src/cli/load-config.ts'
import { exampleName } from '../../src/data/dataset.ts'
import { readSafetensors } from '../../src/formats/safetensors.ts'
import { readModel } from '../../src/onnx/read.ts'
import { createProjectFolder, type ProjectFolder, perClass, train } from './project-folder.ts'

let folder: ProjectFolder
let events: TrainProgress[]
let result: TrainResult

beforeAll(async () => {
  folder = await createProjectFolder()
  const trained = await train(folder.services, folder.project())
  events = trained.events
  result = trained.result
}, 60_000)
afterAll(() => folder.remove())

async function predict(model: string, paths: readonly string[], topK = 3): Promise<PredictedFile[]> {
  async function* inputs() {
    for (const name of paths) yield { name, input: await readFile(join(folder.root, name)) }
  }
  const answers: PredictedFile[] = []
  for await (const answer of predictFiles(folder.services, { model, inputs: inputs(), topK })) answers.push(answer)
  return answers
}

describe('init', () => {
  it('writes files that say what to do next, and replaces none', async () => {
    const to = join(folder.root, 'My app!')
    const { files } = await initProject(folder.services, { folder: to, task: 'image-classification' })
    expect(files.sort()).toEqual(['.gitignore', 'README.md', 'quern.config.ts'])
    const config = await loadConfig(join(to, 'quern.config.ts'))
    expect(resolveProject(config, { root: to, what: 'quern.config.ts' }).name).toBe('My-app-')
    await expect(initProject(folder.services, { folder: to, task: 'image-classification' })).rejects.toThrow(
      /already has quern.config.ts, README.md, .gitignore; nothing was written/,
    )
  })

  it('writes a path with quotes as TypeScript that gives it back', async () => {
    const source = `./a'b"c\\d`
    const to = join(folder.root, 'quotes')
    await initProject(folder.services, { folder: to, task: 'image-classification', source })
    expect(await loadConfig(join(to, 'quern.config.ts'))).toMatchObject({ data: { source } })
  })

  it('names unknown tasks and names that cannot be', async () => {
    const to = join(folder.root, 'other')
    await expect(initProject(folder.services, { folder: to, task: 'image-clasification' })).rejects.toThrow(
      /unknown task "image-clasification". Did you mean 'image-classification'\?/,
    )
    await expect(
      initProject(folder.services, { folder: to, task: 'image-classification', name: 'my app' }),
    ).rejects.toThrow(/a model's name is letters.*received "my app"/)
  })
})

describe('inspect', () => {
  it('profiles the data as training reads it', async () => {
    const profile = await inspectData(folder.services, folder.project())
    expect(JSON.stringify(profile)).toContain('triangle')
  })
})

describe('train', () => {
  it('yields data, run and training events, in that order', () => {
    const types = events.map(({ type }) => type)
    expect(types.slice(0, 3)).toEqual(['data', 'run', 'started'])
    expect(types.at(-1)).toBe('done')
    expect(types.filter((type) => type === 'epoch').length).toBe(3)
    expect(events[0]).toMatchObject({
      examples: { train: 108, validation: 36, test: 36 },
      labels: ['circle', 'square', 'triangle'],
    })
  })

  it('leaves bundle, report, metrics and a finished run', async () => {
    const { run, bundle, report, scores } = result
    expect(result).toMatchObject({ state: 'finished', bundle: `.quern/runs/${run}/bundle` })
    const manifest = JSON.parse(await readFile(join(folder.root, bundle!, 'quern.json'), 'utf8'))
    expect(manifest).toMatchObject({
      name: 'shapes',
      labels: ['circle', 'square', 'triangle'],
      inputs: [{ name: 'image', dtype: 'uint8', shape: ['batch', 1, 12, 12] }],
      outputs: [{ name: 'probabilities', dtype: 'float32', shape: ['batch', 3] }],
      lineage: { run, seed: 3, epochs: 3 },
    })
    expect(manifest.metrics).toEqual(scores)
    const losses = events.flatMap((event) => (event.type === 'epoch' ? [event.train.loss!] : []))
    expect(losses.at(-1)).toBeLessThan(losses[0]! * 0.95)
    expect(await readFile(join(folder.root, report!), 'utf8')).toContain('<html')
    const metrics = JSON.parse(await readFile(join(folder.root, '.quern/runs', run, 'metrics.json'), 'utf8'))
    expect(JSON.stringify(metrics)).toContain(String(scores.test!.accuracy))
    expect(await listRuns(folder.services)).toMatchObject([{ id: run, state: 'finished', epochs: 3, name: 'shapes' }])
    const details = await showRun(folder.services, 'latest')
    expect(details.status.id).toBe(run)
    expect(details.events.filter(({ type }) => type === 'epoch').length).toBe(3)
    expect(details.config).toMatchObject({ seed: 3, train: { epochs: 3, optimizer: { name: 'adam', beta1: 0.9 } } })
  })
})

describe('evaluate', () => {
  it('gives the scores of training again, by run and by path', async () => {
    for (const model of [result.run, 'latest', result.run.slice(0, 12), result.bundle!]) {
      const { report } = await evaluateModel(folder.services, folder.project(), { model, split: 'test' })
      expect(report.metrics, model).toEqual(result.scores.test)
    }
  })

  it('writes beside the run, or to reports for a path', async () => {
    const byRun = await evaluateModel(folder.services, folder.project(), { model: result.run, split: 'validation' })
    expect(byRun.files.html).toBe(`.quern/runs/${result.run}/report.html`)
    const byPath = await evaluateModel(folder.services, folder.project(), { model: result.bundle!, split: 'train' })
    expect(byPath.files.html).toBe('.quern/reports/report.html')
    expect(await readFile(join(folder.root, byPath.files.json), 'utf8')).toContain('accuracy')
  })

  it('refuses data with other classes, other preprocessing and a split that is not there', async () => {
    const evaluate = (project = folder.project(), split = 'test') =>
      evaluateModel(folder.services, project, { model: 'latest', split: split as 'test' })
    const data = (changes: object) => folder.project({ data: { source: 'photos', ...changes } })
    const image = { height: 12, width: 12, channels: 1 as const }
    await expect(evaluate(data({ image: { ...image, width: 16 } }))).rejects.toThrow(
      /takes pictures with width 12; the configuration makes them with 16/,
    )
    await expect(evaluate(data({ image: { ...image, fit: 'contain' } }))).rejects.toThrow(/with fit "cover"/)
    await expect(evaluate(data({ image, split: { test: 0 } }))).rejects.toThrow(
      /the data has no test split: it has train, validation/,
    )
    const other = await createProjectFolder()
    try {
      await writeFile(join(other.root, 'photos/circle/extra.txt'), 'not a picture')
      await rename(join(other.root, 'photos/triangle'), join(other.root, 'photos/wedge'))
      await expect(evaluate(other.project())).rejects.toThrow(
        /knows the classes circle, square, triangle; the data has circle, square, wedge/,
      )
    } finally {
      await other.remove()
    }
  })
})

describe('predict', () => {
  it('answers in the order of the inputs, and goes on after a file that is no picture', async () => {
    await writeFile(join(folder.root, 'note.png'), 'no picture')
    const answers = await predict('latest', ['photos/circle/0.png', 'note.png', 'photos/square/0.png'], 2)
    expect(answers.map(({ input }) => input)).toEqual(['photos/circle/0.png', 'note.png', 'photos/square/0.png'])
    expect(answers[0]!.predictions!.length).toBe(2)
    expect(answers[1]!.error).toMatch(/\S/)
    expect(answers[1]!.predictions).toBeUndefined()
  })

  it('has the bits of evaluation, for every picture of the test split', async () => {
    const { task, config, root } = folder.project()
    const data = await task.load(config, { root })
    const test = data.splits.test!
    const model = await openModel(folder.services, 'latest')
    const { probabilities } = await scoreDataset(model.pipeline, test)
    await model.pipeline.release()
    const names = Array.from({ length: test.length }, (_, i) => `photos/${exampleName(test, i)}`)
    const answers = await predict('latest', names)
    for (const [i, { predictions }] of answers.entries()) {
      const scores = data.labels.map((label) => (predictions as Prediction[]).find((p) => p.label === label)!.score)
      expect(scores).toEqual([...probabilities!.data.subarray(i * 3, i * 3 + 3)])
    }
  })

  it('says that a name is neither a run nor a bundle', async () => {
    await expect(predict('no-such-model', [])).rejects.toThrow(
      /there is no run 'no-such-model', and 'no-such-model' is no folder with a model bundle/,
    )
  })
})

describe('export', () => {
  const png = () => drawShape('triangle', 500)

  async function scoresOf(bundle: Awaited<ReturnType<typeof openBundle>>): Promise<unknown> {
    const images = await folder.services.images()
    const pipeline = await createPipeline(bundle, { backend: folder.services.backend, images })
    try {
      return await pipeline.predict(await png())
    } finally {
      await pipeline.release()
    }
  }

  it('writes a folder and a zip that answer alike', async () => {
    const { services, root } = folder
    const expected = await scoresOf(await openBundle(services.folder(result.bundle!), 'run'))
    await exportModel(services, { model: 'latest', target: 'bundle', out: 'out/model' })
    const { profile, manifest } = await openBundle(services.folder('out/model'), 'out')
    expect(profile!.examples).toBe(manifest.lineage.data.examples.train)
    expect(await scoresOf(await openBundle(services.folder('out/model'), 'out'))).toEqual(expected)
    const { files } = await exportModel(services, { model: 'out/model', target: 'zip', out: 'out/model.zip' })
    const bytes = await readFile(join(root, 'out/model.zip'))
    expect(files).toEqual([{ path: 'out/model.zip', bytes: bytes.length }])
    expect(await scoresOf(await openBundle(unzipBundle(bytes, 'zip'), 'zip'))).toEqual(expected)
    const opened = await openModel(services, 'out/model.zip')
    expect(await opened.pipeline.predict(await png())).toEqual(expected)
    await opened.pipeline.release()
  })

  it('writes the graph alone and the parameters alone', async () => {
    const { services, root } = folder
    await exportModel(services, { model: 'latest', target: 'onnx', out: 'model.onnx' })
    const { graph } = await readModel(await readFile(join(root, 'model.onnx')))
    expect(graph.inputs.map(({ name }) => name)).toEqual(['image'])
    expect(graph.outputs.map(({ name }) => name)).toEqual(['probabilities'])
    await exportModel(services, { model: 'latest', target: 'safetensors', out: 'out/p.safetensors' })
    const { tensors } = readSafetensors(await readFile(join(root, 'out/p.safetensors')), 'parameters')
    const shapes = Object.fromEntries(
      [...tensors].map(([name, { shape }]) => [name.split('/').slice(-2).join('/'), shape]),
    )
    expect(shapes).toEqual({
      'dense/kernel': [144, 100],
      'dense/bias': [100],
      'dense_1/kernel': [100, 3],
      'dense_1/bias': [3],
    })
  })

  it('names the nearest target', async () => {
    const out = { model: 'latest', out: 'x' }
    await expect(exportModel(folder.services, { ...out, target: 'onx' as 'onnx' })).rejects.toThrow(
      /unknown export target 'onx'. Did you mean 'onnx'\?/,
    )
  })
})

it('has as many pictures as were drawn', () => {
  expect(events[0]).toMatchObject({ report: { examples: 3 * perClass, broken: [] } })
})
