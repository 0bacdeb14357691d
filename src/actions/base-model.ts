/** The model that training starts from, wherever it lies: an ONNX file, a bundle, a run, a folder in Hugging Face's layout. */
import { messageOf, QuernError } from '../core/errors.ts'
import { sha256, sha256OfText } from '../core/hash.ts'
import type { BlobStore } from '../core/ports.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { substituteAll } from '../graph/substitute.ts'
import { importedLayers, importedWeights } from '../nn/index.ts'
import { dropoutOffBytes } from '../onnx/dropout-off.ts'
import { readModel } from '../onnx/read.ts'
import { dropoutOff, isDropping } from '../passes/dropout-off.ts'
import { foldConstants } from '../passes/fold.ts'
import type { SessionOptions } from '../runtime/backend.ts'
import { graphEvaluator } from '../runtime/evaluate-graph.ts'
import type { TaskBase } from '../tasks/task.ts'
import { type Probed, probe } from './compare-answers.ts'
import { imagePreprocessingFrom, labelsFrom, tokenizerFrom } from './hugging-face.ts'
import { findBundle, type ModelPlaces } from './open-model.ts'
import type { Services } from './services.ts'

/** `graph`: what follows from constants alone is computed, and no Dropout drops. */
export interface BaseModel extends TaskBase {
  /** Dropout nodes that act in every run of the file, since it was exported in training mode */
  readonly dropping?: number
  /** The file for the runtime, as it came; where it had Dropout in training mode, which answers by chance, with that alone switched off. */
  untouched(): Promise<ModelFile>
  /** what the file answered before its weights were read, where that was asked for */
  readonly probed?: Probed | undefined
}

/** The bytes of an ONNX file and, where others beside it hold large tensors, their folder, or their bytes where they are no files. */
export interface ModelFile extends Pick<SessionOptions, 'externalData'> {
  readonly model: Uint8Array
}

export interface OpenOptions {
  /**
   * bytes of weights beside the file from which it is run before they are read, on made-up inputs; default: it is not run. The runtime maps such files, so that
   * running it later takes their memory a second time.
   */
  readonly probeFrom?: number
}

/** `probeFrom` for a base that is to be compared with its file. */
export const largeWeights: number = 2 ** 28

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
export async function openBase(services: BaseServices, name: string, options: OpenOptions = {}): Promise<BaseModel> {
  if (name.endsWith('.onnx')) {
    const [folder, file] = splitPath(name)
    return fromFile(services, name, { folder: services.folder(folder), file, ...options })
  }
  if (!name.endsWith('.zip')) {
    const folder = services.folder(name)
    const isBundle = await folder.exists('quern.json')
    if (!isBundle && (await folder.exists('config.json'))) return fromHuggingFace(services, name, folder, options)
    if (!isBundle && /[\\/]/.test(name)) {
      throw new QuernError('missing', `there is no model at ${name}: no quern.json and no config.json lie there`, {
        hint: whatToGive,
      })
    }
  }
  const { bundle } = await findBundle(services, name)
  const { labels, preprocessing } = bundle.manifest
  const again = async () => (await findBundle(services, name)).bundle.model
  const base = { ...(await fromBytes(services, { name, bytes: bundle.model, again })), labels }
  if (preprocessing.kind !== 'image') return base
  const { kind: _, ...image } = preprocessing
  return { ...base, image }
}

const whatToGive = 'Give an ONNX file, the folder of a bundle or of a Hugging Face model, or a run.'

/** '/a/b.onnx' -> '/a', 'b.onnx' */
function splitPath(path: string): [folder: string, file: string] {
  const at = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'))
  return [at < 0 ? '.' : path.slice(0, at) || '/', path.slice(at + 1)]
}

async function fromFile(
  services: BaseServices,
  name: string,
  { folder, file, probeFrom }: OpenOptions & { readonly folder: BlobStore; readonly file: string },
): Promise<BaseModel> {
  if (!(await folder.exists(file))) {
    throw new QuernError('missing', `there is no file ${name}`, {
      hint: whatToGive,
    })
  }
  const below = file.slice(0, file.lastIndexOf('/') + 1)
  const external = async (location: string): Promise<Uint8Array> => {
    if (await folder.exists(below + location)) return folder.read(below + location)
    throw new QuernError('missing', `${name} keeps weights in '${location}', which is not beside it`, {
      hint: `Copy ${location} into the folder of the model: the two files belong together.`,
    })
  }
  const again = () => folder.read(file)
  const path = await folder.pathOf?.(file)
  const beside = path === undefined ? undefined : splitPath(path)[0]
  return fromBytes(services, { name, bytes: await again(), again, external, beside, probeFrom })
}

/** A base of the bytes of an ONNX file, all of whose tensors are inside. */
export function baseFromBytes(
  services: Pick<BaseServices, 'backend' | 'table'>,
  bytes: Uint8Array,
): Promise<BaseModel> {
  return fromBytes(services, { name: 'the model', bytes, again: async () => bytes })
}

interface Opened {
  readonly name: string
  readonly bytes: Uint8Array
  /** the same bytes once more: they are not kept beside the tensors that were made of them */
  readonly again: () => Promise<Uint8Array>
  /** files beside it: their bytes, and the folder that they lie in, where that is one of the system */
  readonly external?: (location: string) => Promise<Uint8Array>
  readonly beside?: string | undefined
  readonly probeFrom?: number | undefined
}

async function fromBytes(
  services: Pick<BaseServices, 'backend' | 'table'>,
  { name, bytes, again, external, beside, probeFrom }: Opened,
): Promise<BaseModel> {
  // Tensors are views on these: whoever reads them keeps nothing twice.
  const files = new Map<string, Uint8Array>()
  let probed: Probed | undefined
  const options = external && {
    // Small ones are compared on examples.
    beforeExternal: async (size: number) => {
      if (probeFrom === undefined || size < probeFrom || beside === undefined) return
      probed = await probe({ model: bytes, externalData: beside }, services.backend)
    },
    external: async (location: string) => {
      const file = await external(location)
      files.set(location, file)
      return file
    },
  }
  const { graph: read } = await readModel(bytes, { table: services.table, ...options })
  const graph = dropoutOff(read)
  const model = graph === read ? again : async () => dropoutOffBytes(await again())
  return {
    name,
    graph: await folded(services, graph),
    hash: await hashOf(bytes, files),
    // One that drops by chance is compared without that.
    ...(probed && graph === read && { probed }),
    dropping: read.nodes.filter(isDropping).length,
    untouched: async () => ({ model: await model(), ...(files.size > 0 && { externalData: beside ?? files }) }),
  }
}

/** Bytes that are hashed at once: Web Crypto copies what it is given. */
const hashedBlock = 2 ** 22

/** SHA-256 of the file; where others belong to it, of the hashes of all blocks of 4 MiB. */
async function hashOf(bytes: Uint8Array, files: ReadonlyMap<string, Uint8Array>): Promise<string> {
  const lines = [await sha256(bytes)]
  for (const [location, file] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    lines.push(location)
    for (let at = 0; at < file.length; at += hashedBlock) lines.push(await sha256(file.subarray(at, at + hashedBlock)))
  }
  return files.size === 0 ? lines[0]! : sha256OfText(lines.join('\n'))
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

async function fromHuggingFace(
  services: BaseServices,
  name: string,
  folder: BlobStore,
  options: OpenOptions,
): Promise<BaseModel> {
  const places = ['onnx/model.onnx', 'model.onnx']
  let file: string | undefined
  for (const place of places) if (!file && (await folder.exists(place))) file = place
  if (!file) {
    const found = (await folder.list('')).filter((key) => /\.(onnx|safetensors|bin)$/.test(key))
    throw new QuernError('missing', `${name} has no ONNX file: neither ${places.join(' nor ')}`, {
      hint: `It has ${found.join(', ') || 'no weights'}. Export it: optimum-cli export onnx --model ${name} ${name}/onnx`,
    })
  }
  const model = await fromFile(services, `${name}/${file}`, { folder, file, ...options })
  const config = await json(folder, 'config.json', name)
  const preprocessor = await json(folder, 'preprocessor_config.json', name)
  const image = preprocessor && imagePreprocessingFrom(preprocessor, `${name}/preprocessor_config.json`)
  const tokens = await json(folder, tokenizerFile, name)
  const tokenizer = tokens && tokenizerFrom(tokens, await folder.read(tokenizerFile), `${name}/${tokenizerFile}`)
  return { ...model, name, labels: labelsFrom(config ?? {}), ...(image && { image }), ...(tokenizer && { tokenizer }) }
}

const tokenizerFile = 'tokenizer.json'

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
