/** The model that training starts from, wherever it lies: an ONNX file, a bundle, a run, a folder in Hugging Face's layout. */
import { messageOf, QuernError } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import type { BlobStore } from '../core/ports.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { substituteAll } from '../graph/substitute.ts'
import { importedLayers, importedWeights } from '../nn/index.ts'
import { readModel } from '../onnx/read.ts'
import { writeModel } from '../onnx/write.ts'
import { foldConstants } from '../passes/fold.ts'
import { graphEvaluator } from '../runtime/evaluate-graph.ts'
import type { TaskBase } from '../tasks/task.ts'
import { imagePreprocessingFrom, labelsFrom } from './hugging-face.ts'
import { findBundle, type ModelPlaces } from './open-model.ts'
import type { Services } from './services.ts'

/** `graph`: what follows from constants alone is computed. */
export interface BaseModel extends TaskBase {
  /** The file for the runtime, as it came: with large tensors inside, where they lay beside it. */
  untouched(): Promise<Uint8Array>
}

/** What opening a base needs. */
export type BaseServices = ModelPlaces & Pick<Services, 'backend' | 'table'>

/**
 * Opens a base and reads its graph.
 *
 * Errors: 'missing' for what is not there, external data included; 'input' for a damaged file, and for external data outside of the
 * model's folder.
 *
 * @param name 'model.onnx', a folder or zip with a bundle, a folder with config.json and an ONNX file, a run's id or 'latest'
 */
export async function openBase(services: BaseServices, name: string): Promise<BaseModel> {
  if (name.endsWith('.onnx')) {
    const [folder, file] = splitPath(name)
    return fromFile(services, name, services.folder(folder), file)
  }
  const folder = services.folder(name)
  if (!name.endsWith('.zip') && (await folder.exists('config.json')) && !(await folder.exists('quern.json'))) {
    return fromHuggingFace(services, name, folder)
  }
  const { bundle } = await findBundle(services, name)
  const { labels, preprocessing } = bundle.manifest
  const base = { ...(await fromBytes(services, name, bundle.model)), labels }
  if (preprocessing.kind !== 'image') return base
  const { kind: _, ...image } = preprocessing
  return { ...base, image }
}

/** '/a/b.onnx' -> '/a', 'b.onnx' */
function splitPath(path: string): [folder: string, file: string] {
  const at = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'))
  return [at < 0 ? '.' : path.slice(0, at) || '/', path.slice(at + 1)]
}

async function fromFile(services: BaseServices, name: string, folder: BlobStore, file: string): Promise<BaseModel> {
  if (!(await folder.exists(file))) {
    throw new QuernError('missing', `there is no file ${name}`, {
      hint: 'Give an ONNX file, the folder of a bundle or of a Hugging Face model, or a run.',
    })
  }
  const below = file.slice(0, file.lastIndexOf('/') + 1)
  const external = async (location: string): Promise<Uint8Array> => {
    if (await folder.exists(below + location)) return folder.read(below + location)
    throw new QuernError('missing', `${name} keeps weights in '${location}', which is not beside it`, {
      hint: `Copy ${location} into the folder of the model: the two files belong together.`,
    })
  }
  return fromBytes(services, name, await folder.read(file), external)
}

/** A base of the bytes of an ONNX file, all of whose tensors are inside. */
export function baseFromBytes(
  services: Pick<BaseServices, 'backend' | 'table'>,
  bytes: Uint8Array,
): Promise<BaseModel> {
  return fromBytes(services, 'the model', bytes)
}

async function fromBytes(
  services: Pick<BaseServices, 'backend' | 'table'>,
  name: string,
  bytes: Uint8Array,
  external?: (location: string) => Promise<Uint8Array>,
): Promise<BaseModel> {
  let isSplit = false
  const options = external && {
    external: (location: string) => {
      isSplit = true
      return external(location)
    },
  }
  const { graph } = await readModel(bytes, { table: services.table, ...options })
  return {
    name,
    graph: await folded(services, graph),
    hash: await sha256(bytes),
    untouched: async () => {
      if (!isSplit) return bytes
      const raw = await readModel(bytes, { ...options, upgrade: false, keepConstantNodes: true })
      return writeModel(raw.graph, { opsets: raw.opsets, extras: raw.extras }).model
    },
  }
}

/** Gradient rules want sizes and bounds as constants. Weights stay as they are: their names are what people freeze by. */
async function folded(services: Pick<BaseServices, 'backend' | 'table'>, graph: Graph): Promise<Graph> {
  const weights = importedWeights(importedLayers(graph)).map(({ value }) => value)
  const open = new Map<Value, Value>(weights.map((value) => [value, { ...value, constant: undefined }]))
  const parameters = [...open.values()]
  const evaluate = graphEvaluator(services.backend)
  const small = await foldConstants({ ...substituteAll(graph, open), parameters }, { table: services.table, evaluate })
  const back = new Map<Value, Value>(small.parameters.map((value, i) => [value, weights[i]!]))
  return { ...substituteAll(small, back), parameters: [] }
}

async function fromHuggingFace(services: BaseServices, name: string, folder: BlobStore): Promise<BaseModel> {
  const places = ['onnx/model.onnx', 'model.onnx']
  let file: string | undefined
  for (const place of places) if (!file && (await folder.exists(place))) file = place
  if (!file) {
    const found = (await folder.list('')).filter((key) => /\.(onnx|safetensors|bin)$/.test(key))
    throw new QuernError('missing', `${name} has no ONNX file: neither ${places.join(' nor ')}`, {
      hint: `It has ${found.join(', ') || 'no weights'}. Export it: optimum-cli export onnx --model ${name} ${name}/onnx`,
    })
  }
  const model = await fromFile(services, `${name}/${file}`, folder, file)
  const config = await json(folder, 'config.json', name)
  const preprocessor = await json(folder, 'preprocessor_config.json', name)
  const image = preprocessor && imagePreprocessingFrom(preprocessor, `${name}/preprocessor_config.json`)
  return { ...model, name, labels: labelsFrom(config ?? {}), ...(image ? { image } : {}) }
}

async function json(
  folder: BlobStore,
  file: string,
  name: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  if (!(await folder.exists(file))) return undefined
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(await folder.read(file)))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch (cause) {
    throw new QuernError('input', `${name}/${file} is no JSON: ${messageOf(cause)}`, { cause })
  }
  throw new QuernError('input', `${name}/${file} must hold an object`)
}
