/** A trained model by what a user calls it: a run, the latest run, a bundle's folder or zip file. */

import { type Bundle, manifestFile, openBundle } from '../bundle/bundle.ts'
import { createPipeline, type Pipeline } from '../bundle/pipeline.ts'
import { unzipBundle } from '../bundle/zip.ts'
import { messageOf, QuernError } from '../core/errors.ts'
import type { BlobStore } from '../core/ports.ts'
import type { SessionOptions } from '../runtime/backend.ts'
import type { Run } from '../store/runs.ts'
import type { Services } from './services.ts'

export interface OpenedModel {
  readonly name: string
  readonly bundle: Bundle
  readonly pipeline: Pipeline
  /** the run that the name stood for; undefined for a path */
  readonly run: string | undefined
}

/** Where models lie. */
export type ModelPlaces = Pick<Services, 'folder' | 'runs'>

/** Reads and checks a bundle. `model` is 'latest' (the newest run that has one), a run's id or its beginning, or a path. */
export async function findBundle(
  services: ModelPlaces,
  model: string,
): Promise<{ bundle: Bundle; run: string | undefined }> {
  if (model.endsWith('.zip')) return { bundle: await fromZip(services, model), run: undefined }
  const isPath = /[\\/]/.test(model) || model === '.' || model === '..'
  const folder = services.folder(model)
  if (isPath || (await folder.exists(manifestFile))) return { bundle: await openBundle(folder, model), run: undefined }
  const run = model === 'latest' ? await newestWithModel(services) : await openRun(services, model)
  const files = under(run.files, 'bundle/')
  if (!(await files.exists(manifestFile))) {
    const { state } = await run.status()
    throw new QuernError('missing', `run ${run.id} has no model yet: it is ${state}`, {
      hint:
        state === 'interrupted' ? `Go on with it: quern train --resume ${run.id}` : 'Train a model first: quern train',
    })
  }
  return { bundle: await openBundle(files, `run ${run.id}`), run: run.id }
}

/** The newest run that has a bundle: a run that is training now, or was stopped, does not hide the model before it. */
async function newestWithModel({ runs }: ModelPlaces): Promise<Run> {
  for (const { id } of await runs.list()) {
    const run = await runs.open(id)
    if (await under(run.files, 'bundle/').exists(manifestFile)) return run
  }
  // None has: the newest one says why.
  return runs.open('latest')
}

/** A run by its name; what is neither a run nor a folder is said to be neither. */
async function openRun({ runs }: ModelPlaces, model: string): Promise<Run> {
  try {
    return await runs.open(model)
  } catch (error) {
    if (!(error instanceof QuernError) || error.kind !== 'missing') throw error
    const { message, hint } = error
    throw new QuernError('missing', `${message}, and '${model}' is no folder with a model bundle`, {
      hint,
      cause: error,
    })
  }
}

/** A bundle ready to predict. Release the pipeline when done. */
export async function openModel(services: Services, model: string, session: SessionOptions = {}): Promise<OpenedModel> {
  const { bundle, run } = await findBundle(services, model)
  const images = await services.images()
  const pipeline = await createPipeline(bundle, { backend: services.backend, images, session })
  return { name: bundle.manifest.name, bundle, pipeline, run }
}

async function fromZip(services: ModelPlaces, path: string): Promise<Bundle> {
  const cut = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'))
  const folder = services.folder(cut < 0 ? '.' : path.slice(0, cut) || '/')
  let bytes: Uint8Array
  try {
    bytes = await folder.read(path.slice(cut + 1))
  } catch (cause) {
    throw new QuernError('missing', `cannot read ${path}: ${messageOf(cause)}`, { cause })
  }
  return openBundle(unzipBundle(bytes, path), path)
}

/** The blobs below a prefix, as a store of their own. */
export function under(files: BlobStore, prefix: string): BlobStore {
  return {
    read: (key) => files.read(prefix + key),
    write: (key, bytes) => files.write(prefix + key, bytes),
    exists: (key) => files.exists(prefix + key),
    list: async (start) => (await files.list(prefix + start)).map((key) => key.slice(prefix.length)),
    remove: (key) => files.remove(prefix + key),
  }
}
