/**
 * The rules of the house as tables: which folder may import which, who owns an external package, who may touch the
 * world outside. ARCHITECTURE.md says why; test/architecture.test.ts looks.
 */

/** A file imports its own folder and folders of a LOWER level; equal levels do not see each other. */
export const levels: Readonly<Record<string, number>> = {
  core: 0,
  contract: 1,
  formats: 1,
  graph: 1,
  ops: 2,
  autodiff: 3,
  passes: 3,
  onnx: 3,
  runtime: 4,
  nn: 5,
  optim: 5,
  data: 5,
  metrics: 5,
  adapters: 6,
  bundle: 6,
  train: 6,
  evaluate: 7,
  compress: 7,
  privacy: 7,
  tasks: 8,
  tune: 8,
  store: 8,
  actions: 9,
  serve: 10,
  cli: 11,
}

/** Level of src/*.ts: the package's entries, which put the parts together. */
export const entryLevel = 12

/**
 * External packages and the only places that may import them, as prefixes of paths inside src/. A library that many
 * files import can no longer be replaced, so each has one owner. Tests are free: they may ask the library itself.
 */
export const packageOwners: Readonly<Record<string, readonly string[]>> = {
  '@bufbuild/protobuf': ['onnx/'],
  '@duckdb/node-api': ['data/sources/'],
  '@hono/node-server': ['serve/'],
  '@huggingface/tokenizers': ['data/'],
  '@photostructure/sqlite': ['data/sources/'],
  '@opentelemetry/api': ['serve/watch/'],
  commander: ['cli/'],
  '@cornerstonejs/codec-charls': ['formats/'],
  '@cornerstonejs/codec-openjpeg': ['formats/'],
  'dicom-parser': ['formats/'],
  fflate: ['bundle/', 'formats/'],
  hono: ['serve/'],
  jiti: ['cli/'],
  'jpeg-lossless-decoder-js': ['formats/'],
  'nifti-reader-js': ['formats/'],
  'onnxruntime-node': ['runtime/onnxruntime-node.ts', 'runtime/onnxruntime-binding.ts'],
  picocolors: ['cli/'],
  pino: ['serve/watch/'],
  postgres: ['data/sources/'],
  s3mini: ['data/sources/'],
  'prom-client': ['serve/watch/'],
  sharp: ['data/'],
  zod: ['contract/', 'tasks/', 'serve/'],
}

/**
 * Where files, sockets, the environment, the clock, randomness and the console are allowed, as patterns of paths inside
 * src/. Elsewhere they arrive as an argument (core/ports.ts, core/random.ts), so that the same seed gives the same model
 * and the code runs in a browser.
 */
export const outsideWorld: readonly RegExp[] = [
  /^store\//,
  /^runtime\/onnxruntime-/,
  // of its backend: memory of the process
  /^runtime\/give-memory-back\.ts$/,
  // source adapters: they read a data set, list and decode its files, keep decoded pictures and encoded tables
  /^data\/sources\//,
  // and the thread that makes batches ahead
  /^data\/prefetch(-thread)?\.ts$/,
  // threads that read and decode pictures
  /^data\/jpeg\/jpeg-threads?\.ts$/,
  /^data\/([\w-]+-source|missing-path|list-pictures|decode-files|image-cache|table-cache|prune-cache)\.ts$/,
  // its test asks over a socket of this machine
  /^serve\/main(\.test)?\.ts$/,
  // the threads that compute: they are the server's, and measure themselves
  /^serve\/engine\/worker(-thread)?\.ts$/,
  /^cli\//,
]

/**
 * What tests beside the code may use of it: temporary folders, golden files, a stop-watch. Never the network, chance or
 * the date, which make a test pass today and fail tomorrow.
 */
export const testModules: RegExp = /^node:(fs|fs\/promises|os|path|url|zlib|crypto|child_process|worker_threads)$/
export const testNames: readonly string[] = ['Buffer', 'performance.now', 'process']

/** Names of the outside world, and what to use in their place. A name with a dot is a member, others are globals. */
export const outsideNames: Readonly<Record<string, string>> = {
  console: 'take a Log (core/ports.ts) as an argument, or yield an event',
  process: 'take the value as an argument',
  fetch: 'take the bytes, or a function that gets them, as an argument',
  Buffer: 'Buffer exists in Node alone: use Uint8Array, DataView, TextEncoder',
  'Date.now': 'take a Clock (core/ports.ts) as an argument',
  'performance.now': 'take a Clock (core/ports.ts) as an argument',
  'Math.random': 'take a Random (core/random.ts) as an argument',
  'crypto.getRandomValues': 'take a Random (core/random.ts), or the id itself, as an argument',
  'crypto.randomUUID': 'take a Random (core/random.ts), or the id itself, as an argument',
}

/** Lines a file may have. A table of records (one record after another, no logic between) may reach the second. */
export const longestFile = 400
export const longestTable = 800
export const medianFile = 200

/** Files that are tables of records, as paths from the root of the repository. */
export const tables: readonly string[] = ['src/ops/index.ts']
