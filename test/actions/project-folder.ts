/** A project in a temporary folder, with real pictures and the services of the command line, for the tests of actions. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drawShapes } from '../../examples/own-pictures/draw-shapes.ts'
import { resolveProject } from '../../src/actions/project.ts'
import type { Project, Services } from '../../src/actions/services.ts'
import { type TrainInput, type TrainProgress, type TrainResult, trainModel } from '../../src/actions/train.ts'
import { createServices } from '../../src/cli/services.ts'

export interface ProjectFolder {
  readonly root: string
  readonly services: Services
  /** The checked project of a configuration; `changes` replaces top-level keys of a small, quick one. */
  project(changes?: Readonly<Record<string, unknown>>): Project
  remove(): Promise<void>
}

/** Pictures of each of the three classes. */
export const perClass = 60

export const smallConfig = {
  task: 'image-classification',
  name: 'shapes',
  seed: 3,
  threads: 1,
  data: { source: 'photos', image: { height: 12, width: 12, channels: 1 }, split: { validation: 0.2, test: 0.2 } },
  model: 'mlp',
  train: { epochs: 3, batchSize: 16, optimizer: { name: 'adam', learningRate: 0.003 } },
}

export async function createProjectFolder(): Promise<ProjectFolder> {
  const root = await mkdtemp(join(tmpdir(), 'quern-project-'))
  await drawShapes(join(root, 'photos'), perClass)
  const silent = { info: () => undefined, warn: () => undefined }
  const services = createServices({ root, cwd: root, log: silent })
  return {
    root,
    services,
    project: (changes = {}) => resolveProject({ ...smallConfig, ...changes }, { root, what: 'quern.config.ts' }),
    remove: () => rm(root, { recursive: true, force: true }),
  }
}

/** Trains to the end; every event and the result. `onEvent` may abort. */
export async function train(
  services: Services,
  project: Project,
  input: TrainInput = {},
  onEvent: (event: TrainProgress) => void = () => undefined,
): Promise<{ events: TrainProgress[]; result: TrainResult }> {
  const run = trainModel(services, project, input)
  const events: TrainProgress[] = []
  for (;;) {
    const next = await run.next()
    if (next.done) return { events, result: next.value }
    events.push(next.value)
    onEvent(next.value)
  }
}
