/**
 * The model bundle: a folder (any BlobStore) that needs no code to be used. `quern.json` is written last and holds size and
 * checksum of every other file, so a bundle whose writing was interrupted is never taken for a whole one. Opening reads and
 * compares everything before a byte of it is given to a runtime: bundles are data, and may come from strangers.
 */
import { type Manifest, manifestSchema, type Port } from '../contract/manifest.ts'
import { parseWith } from '../contract/parse.ts'
import { type TrainingProfile, trainingProfileSchema } from '../contract/training-profile.ts'
import { dtypes } from '../core/dtype.ts'
import { messageOf, QuernError, suggestion } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import type { BlobStore } from '../core/ports.ts'
import { manifestFile, modelFile, profileFile } from './file-names.ts'
import { modelCard } from './model-card.ts'
import { unsafePath } from './safe-path.ts'

const cardFile = 'README.md'

export { manifestFile, modelFile }

/** The format that this version writes; it reads the same. */
const format = 1
/** A manifest is text about a model, a profile too: more than this is not one. */
const longestText = 16 * 2 ** 20

export interface BundleContent {
  readonly model: Uint8Array
  /** `files` is filled in */
  readonly manifest: Omit<Manifest, 'files'>
  /** README.md; default: what `modelCard` makes of the manifest */
  readonly card?: string
  /** of the training split, for those who watch the model at work */
  readonly profile?: TrainingProfile | undefined
}

/** A bundle whose files were read and compared with their checksums. */
export interface Bundle {
  /** names the bundle in messages */
  readonly what: string
  readonly manifest: Manifest
  /** model.onnx */
  readonly model: Uint8Array
  /** undefined where there is none */
  readonly profile?: TrainingProfile | undefined
}

/** Writes model, card and profile, then the manifest. Throws, before anything is written, when the manifest contradicts itself. */
export async function writeBundle(files: BlobStore, content: BundleContent): Promise<Manifest> {
  const { model, card = modelCard(content.manifest), profile } = content
  const contents: [string, Uint8Array][] = [
    [modelFile, model],
    [cardFile, new TextEncoder().encode(card)],
    ...(profile
      ? [[profileFile, new TextEncoder().encode(`${JSON.stringify(profile)}\n`)] as [string, Uint8Array]]
      : []),
  ]
  const entries = contents.map(async ([name, bytes]) => [name, { bytes: bytes.length, sha256: await sha256(bytes) }])
  const value = { ...content.manifest, files: Object.fromEntries(await Promise.all(entries)) }
  const manifest = checkedManifest(value, 'the new bundle')
  // Without its manifest an older bundle at this place is no bundle: nobody sees half of the old and half of the new one.
  if (await files.exists(manifestFile)) await files.remove(manifestFile)
  for (const [name, bytes] of contents) await files.write(name, bytes)
  await files.write(manifestFile, new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`))
  return manifest
}

/**
 * Opens a bundle after checking manifest, sizes and checksums.
 *
 * Errors name the bundle, the file, what was expected and what was found.
 *
 * @param what names the bundle in messages: its path
 */
export async function openBundle(files: BlobStore, what: string): Promise<Bundle> {
  const manifest = await readManifest(files, what)
  let model: Uint8Array | undefined
  let profile: TrainingProfile | undefined
  for (const name of Object.keys(manifest.files)) {
    const bytes = await readFile(files, manifest, name, what)
    if (name === modelFile) model = bytes
    if (name === profileFile) profile = profileFrom(bytes, what)
  }
  if (!model) throw damaged(what, manifestFile, `'files' must list ${modelFile}`)
  return { what, manifest, model, profile }
}

/** The manifest alone, checked, without reading the other files: for lists of models. */
export async function readManifest(files: BlobStore, what: string): Promise<Manifest> {
  if (!(await files.exists(manifestFile))) {
    throw new QuernError('missing', `${what} is no model bundle: it has no ${manifestFile}`, {
      hint: 'Give the folder that `quern train` wrote. If its writing was interrupted, export the model again.',
    })
  }
  const bytes = await files.read(manifestFile)
  return checkedManifest(jsonFrom(bytes, manifestFile, what), what)
}

function profileFrom(bytes: Uint8Array, what: string): TrainingProfile {
  return parseWith(trainingProfileSchema, jsonFrom(bytes, profileFile, what), `${what}: ${profileFile}`, 'input')
}

function jsonFrom(bytes: Uint8Array, file: string, what: string): unknown {
  if (bytes.length > longestText) {
    throw damaged(what, file, `expected at most ${longestText} bytes, found ${bytes.length}`)
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw damaged(what, file, `expected JSON, found ${bytes.length} bytes that are not (${messageOf(cause)})`)
  }
}

async function readFile(files: BlobStore, manifest: Manifest, name: string, what: string): Promise<Uint8Array> {
  const expected = manifest.files[name]!
  if (!(await files.exists(name))) {
    throw damaged(what, name, `expected ${expected.bytes} bytes, but the file is missing`)
  }
  const bytes = await files.read(name)
  if (bytes.length !== expected.bytes) {
    throw damaged(what, name, `expected ${expected.bytes} bytes, found ${bytes.length}`)
  }
  const found = await sha256(bytes)
  if (found !== expected.sha256) throw damaged(what, name, `expected sha256 ${expected.sha256}, found ${found}`)
  return bytes
}

/** A manifest that the schema accepts and that does not contradict itself. */
function checkedManifest(value: unknown, what: string): Manifest {
  const found = (value as { format?: unknown } | null)?.format
  if (typeof found === 'number' && Number.isInteger(found) && found > format) {
    throw new QuernError(
      'unsupported',
      `${what}: ${manifestFile} has format ${found}, this version reads format ${format}`,
      {
        hint: 'A newer Quern wrote the bundle: update quern.',
      },
    )
  }
  const manifest = parseWith(manifestSchema, value, `${what}: ${manifestFile}`, 'input')
  for (const name of Object.keys(manifest.files)) {
    const fault = unsafePath(name) ?? (name === manifestFile ? 'a manifest cannot list itself' : undefined)
    if (fault !== undefined) throw damaged(what, manifestFile, `'files' lists ${JSON.stringify(name)}: ${fault}`)
  }
  if (!Object.hasOwn(manifest.files, modelFile)) throw damaged(what, manifestFile, `'files' must list ${modelFile}`)
  if (manifest.preprocessing.kind === 'image' && manifest.labels.length === 0) {
    throw damaged(what, manifestFile, "'labels' must name the classes, found none")
  }
  checkPorts(manifest.inputs, 'inputs', what)
  checkPorts(manifest.outputs, 'outputs', what)
  return manifest
}

function checkPorts(ports: readonly Port[], key: 'inputs' | 'outputs', what: string): void {
  const names = new Set<string>()
  for (const { name, dtype, shape } of ports) {
    const at = `'${key}' names '${name}'`
    if (names.has(name)) throw damaged(what, manifestFile, `${at} twice`)
    names.add(name)
    if (!Object.hasOwn(dtypes, dtype)) {
      throw damaged(
        what,
        manifestFile,
        `${at} of the unknown type '${dtype}'. ${suggestion(dtype, Object.keys(dtypes))}`,
      )
    }
    if (shape.length === 0 || typeof shape[0] !== 'string') {
      throw damaged(
        what,
        manifestFile,
        `${at}: the first dimension must be the batch, by name, found ${JSON.stringify(shape)}`,
      )
    }
  }
}

function damaged(what: string, file: string, message: string): QuernError {
  return new QuernError('input', `${what}: ${file}: ${message}`, {
    hint: 'The bundle is damaged or was changed by hand: copy or export it again.',
  })
}
