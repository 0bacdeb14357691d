/**
 * Adapters in the layout of Hugging Face's PEFT: `adapter_config.json` and `adapter_model.safetensors`, with its names of settings and tensors. Files are
 * somebody else's work: bytes arrive and leave here.
 */
import { messageOf, QuernError, suggestion } from '../core/errors.ts'
import { exactly } from '../core/patterns.ts'
import { formatShape, sameShape } from '../core/shape.ts'
import { float32, type Tensor } from '../core/tensor.ts'
import { readSafetensors, writeSafetensors } from '../formats/safetensors.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { type Adapter, type BaseOptions, checkBase } from './adapter.ts'
import { ia3 } from './ia3.ts'
import { lora } from './lora.ts'
import { type LoraConfig, loraPaths } from './lora-config.ts'
import type { AdapterMethod, PlacedSite } from './method.ts'
import { singles } from './singles.ts'
import { findSites, type Site } from './sites.ts'
import { placedSites } from './write.ts'

export const peftConfigFile = 'adapter_config.json'
export const peftModelFile = 'adapter_model.safetensors'

/** The two files of an adapter, by name. */
export type PeftFiles = Readonly<Record<typeof peftConfigFile | typeof peftModelFile, Uint8Array>>

/** Where the hash of the base stands in the metadata of the tensors: PEFT passes over what it does not know there, but not in the settings. */
const baseKey = 'quern.base_sha256'
const prefix = 'base_model.model.'

/**
 * The files of an adapter.
 *
 * @param graph the base that it was made for
 * @param name of the base, for people
 */
export function writePeft(graph: Graph, { method, parameters, base }: Adapter, name?: string): PeftFiles {
  const owners = ownersOf(placedSites(graph.nodes, method))
  const tensors = new Map<string, Tensor>()
  for (const owner of owners) {
    for (const [key, path] of keysOf(owner, method)) {
      const tensor = parameters.get(path)!
      tensors.set(`${prefix}${key}`, path.endsWith('/lora_magnitude') ? magnitudeOf(owner, tensor) : tensor)
    }
  }
  const modules = owners.map(({ module }) => module)
  const common = {
    base_model_name_or_path: name ?? null,
    fan_in_fan_out: false,
    inference_mode: true,
    modules_to_save: null,
    revision: null,
    target_modules: modules,
    task_type: null,
  }
  const config =
    method.kind === 'lora' ? loraSettings(method.config as unknown as LoraConfig) : ia3Settings(owners, method)
  const metadata = { format: 'pt', ...(base === undefined ? {} : { [baseKey]: base }) }
  return {
    [peftConfigFile]: new TextEncoder().encode(`${JSON.stringify({ ...common, ...config }, undefined, 2)}\n`),
    [peftModelFile]: writeSafetensors({ tensors, metadata }),
  }
}

function loraSettings({
  rank,
  alpha,
  dropout,
  rankStabilized,
  decomposed,
}: LoraConfig): Readonly<Record<string, unknown>> {
  return {
    peft_type: 'LORA',
    r: rank,
    lora_alpha: alpha,
    lora_dropout: dropout,
    use_rslora: rankStabilized,
    use_dora: decomposed,
    bias: 'none',
    init_lora_weights: true,
    rank_pattern: {},
    alpha_pattern: {},
    layers_to_transform: null,
    layers_pattern: null,
  }
}

function ia3Settings(owners: readonly Site[], { scalesInput }: AdapterMethod): Readonly<Record<string, unknown>> {
  const feedForward = owners.filter((site) => scalesInput?.(site))
  return {
    peft_type: 'IA3',
    feedforward_modules: feedForward.map(({ module }) => module),
    init_ia3_weights: true,
  }
}

function ownersOf(sites: readonly PlacedSite[]): readonly Site[] {
  return [...new Set(sites.map(({ owner }) => owner))]
}

/** Names of the tensors, without what stands in front of all, and the paths of the parameters. */
function keysOf(site: Site, { kind, config }: AdapterMethod): readonly (readonly [key: string, path: string])[] {
  const { name, module, rule } = site
  if (kind === 'ia3') return [[`${module}.ia3_l`, `${name}/ia3_l`]]
  const paths = loraPaths(name)
  const isLookup = rule.form === 'lookup'
  return [
    [`${module}.${isLookup ? 'lora_embedding_A' : 'lora_A.weight'}`, paths.a],
    [`${module}.${isLookup ? 'lora_embedding_B' : 'lora_B.weight'}`, paths.b],
    ...(config.decomposed === true ? [[`${module}.lora_magnitude_vector`, paths.magnitude] as const] : []),
  ]
}

/** Behind a convolution lengths are `[1, out, 1, ...]`. */
function magnitudeOf({ laid }: Site, { data }: Tensor): Tensor {
  const shape = laid.window.length > 0 ? [1, laid.outputs, ...laid.window.map(() => 1)] : [laid.outputs]
  return float32(shape, data as Float32Array)
}

/**
 * An adapter from its files, for a base.
 *
 * Errors: 'input' for files that are damaged, tensors that do not fit the weights and, by its hash, an adapter of another base; 'missing' for modules
 * that the base does not have; 'unsupported' for what PEFT has besides.
 */
export async function readPeft(
  graph: Graph,
  files: Readonly<Record<string, Uint8Array>>,
  { anyBase = false }: BaseOptions = {},
): Promise<Adapter> {
  const settings = settingsOf(fileOf(files, peftConfigFile))
  const { tensors, metadata } = readSafetensors(fileOf(files, peftModelFile), peftModelFile)
  const modules = modulesOf(tensors, findSites(graph.nodes).sites)
  const method = methodOf(settings, modules)
  const sites = placedSites(graph.nodes, method)
  const parameters = new Map<string, Tensor>()
  for (const owner of ownersOf(sites)) {
    const shapes = new Map(method.parameters(owner).map(({ path, spec }) => [path, spec.shape]))
    const found = modules.get(owner.weight)!.tensors
    for (const [key, path] of keysOf(owner, method)) {
      const ending = key.slice(owner.module.length + 1)
      const tensor = found.get(ending) ?? missing(owner, ending)
      parameters.set(path, fitting(tensor, shapes.get(path)!, `${owner.module}.${ending}`))
    }
  }
  const adapter = { method, parameters, base: metadata[baseKey] }
  if (!anyBase) await checkBase(adapter, sites)
  return adapter
}

function fileOf(files: Readonly<Record<string, Uint8Array>>, name: string): Uint8Array {
  const found = files[name]
  if (found) return found
  throw new QuernError('missing', `an adapter is ${peftConfigFile} and ${peftModelFile}: ${name} is not there`, {
    hint: "Save it with PEFT's save_pretrained, which writes safetensors.",
  })
}

function settingsOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const found: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (typeof found === 'object' && found !== null && !Array.isArray(found)) return found as Record<string, unknown>
  } catch (cause) {
    throw new QuernError('input', `${peftConfigFile} is not JSON: ${messageOf(cause)}`, { cause })
  }
  throw new QuernError('input', `${peftConfigFile} must be a JSON object`)
}

interface FoundModule {
  readonly site: Site
  /** by what stands behind the module's name */
  readonly tensors: Map<string, Tensor>
}

/** What a file holds for each weight. */
function modulesOf(tensors: ReadonlyMap<string, Tensor>, sites: readonly Site[]): ReadonlyMap<Value, FoundModule> {
  const found = new Map<Value, FoundModule>()
  for (const [key, tensor] of tensors) {
    const parts = /^(?:base_model\.model\.)?(.+?)\.((?:lora_|ia3_).+)$/.exec(key)
    if (!parts) {
      throw new QuernError(
        'unsupported',
        `${peftModelFile} holds '${key}', which is no matrix of LoRA or factor of (IA)3`,
      )
    }
    const site = siteOf(parts[1]!, sites)
    const known = found.get(site.weight) ?? { site, tensors: new Map<string, Tensor>() }
    // Newer versions say where the vector lies inside of its own module.
    known.tensors.set(parts[2]!.replace('vector.weight', 'vector'), tensor)
    found.set(site.weight, known)
  }
  return found
}

/** The site of a module: by its whole name, or where one of the two names ends in the other and no other site's does. */
function siteOf(module: string, sites: readonly Site[]): Site {
  const exact = sites.find((site) => site.module === module)
  if (exact) return exact
  const wanted = plainModule(module)
  const near = sites.filter((site) => {
    const own = plainModule(site.module)
    return own === wanted || own.endsWith(`.${wanted}`) || wanted.endsWith(`.${own}`)
  })
  const [only, ...more] = [...new Map(near.map((site) => [site.weight, site])).values()]
  if (only && more.length === 0) return only
  const known = sites.map((site) => site.module)
  throw new QuernError(
    'missing',
    only
      ? `the adapter's module '${module}' can be ${near.map((site) => site.module).join(' or ')}`
      : `the adapter changes '${module}', which the model does not have. ${suggestion(module, known)}`,
  )
}

/** ONNX Runtime GenAI's builder writes 'attn' for what Transformers calls 'self_attn'. */
const plainModule = (module: string): string => module.replaceAll(/(^|\.)self_attn(?=\.|$)/g, '$1attn')

function methodOf(
  settings: Readonly<Record<string, unknown>>,
  modules: ReadonlyMap<Value, FoundModule>,
): AdapterMethod {
  const sites = [...modules.values()].map(({ site }) => site)
  const targets = sites.map(({ name }) => exactly(name))
  const { peft_type: type } = settings
  if (type === 'IA3') {
    const names = Array.isArray(settings.feedforward_modules) ? settings.feedforward_modules.map(String) : []
    const given = sites.filter(({ module }) => names.some((name) => module === name || module.endsWith(`.${name}`)))
    const feedForward = given.map(({ name }) => exactly(name))
    return ia3({ targets, ...(feedForward.length === 0 ? {} : { feedForward }) })
  }
  if (type !== 'LORA') {
    throw new QuernError(
      'unsupported',
      `${peftConfigFile}: peft_type is ${JSON.stringify(type)}, covered are LORA and IA3`,
    )
  }
  for (const [name, plain] of Object.entries({ bias: 'none', modules_to_save: null })) {
    if ((settings[name] ?? plain) === plain) continue
    throw new QuernError(
      'unsupported',
      `${peftConfigFile}: ${name} is ${JSON.stringify(settings[name])}, covered is ${plain}`,
    )
  }
  for (const name of ['rank_pattern', 'alpha_pattern']) {
    if (Object.keys(settings[name] ?? {}).length === 0) continue
    throw new QuernError(
      'unsupported',
      `${peftConfigFile}: ${name} is set: one rank and one alpha for all modules are covered`,
    )
  }
  const number = (name: string, fallback: number): number => {
    const value = settings[name] ?? fallback
    if (typeof value === 'number') return value
    throw new QuernError('input', `${peftConfigFile}: ${name} must be a number, received ${JSON.stringify(value)}`)
  }
  return lora({
    targets,
    rank: number('r', 8),
    alpha: number('lora_alpha', 8),
    dropout: number('lora_dropout', 0),
    rankStabilized: settings.use_rslora === true,
    decomposed: settings.use_dora === true,
  })
}

function missing({ module }: Site, ending: string): never {
  throw new QuernError('input', `${peftModelFile} lacks '${prefix}${module}.${ending}'`)
}

/** As float32, in the shape of the parameter: lengths of convolutions have more axes in the file. */
function fitting(tensor: Tensor, shape: readonly number[], what: string): Tensor {
  const squeezed = tensor.shape.filter((size) => size !== 1)
  const isAlike = sameShape(
    squeezed,
    shape.filter((size) => size !== 1),
  )
  if (isAlike) return float32(shape, singles(tensor))
  throw new QuernError(
    'input',
    `'${what}' has the shape ${formatShape(tensor.shape)}, the model's weight needs ${formatShape(shape)}`,
  )
}
