/**
 * `node --import ./scripts/typescript.mjs file.ts` runs TypeScript on Node 20, whose own type stripping came with 22.18.
 * It turns one file at a time into the very JavaScript that the build gives (one module each, no bundle, no CommonJS), so
 * what a benchmark measures is what is shipped. The hooks run in a thread of their own.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { register } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'

if (!process.features.typescript && isMainThread) register(import.meta.url)

const cache = new URL('../node_modules/.cache/quern/javascript/', import.meta.url)

async function compile(fileName, text) {
  const { default: ts } = await import('typescript')
  const compilerOptions = {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ES2023,
    verbatimModuleSyntax: true,
    inlineSourceMap: true,
  }
  return ts.transpileModule(text, { fileName, compilerOptions }).outputText
}

/** The package's own name means its sources: what an example imports needs no build. */
const entries = { quern: 'index.ts', 'quern/nn': 'nn.ts', 'quern/engine': 'engine.ts' }

/** Node's hook: where a name leads to. */
export async function resolve(specifier, context, next) {
  if (!Object.hasOwn(entries, specifier)) return next(specifier, context)
  return { url: new URL(`../src/${entries[specifier]}`, import.meta.url).href, shortCircuit: true }
}

/** Node's hook: gives the JavaScript of a .ts file outside node_modules, from the cache when the text is known. */
export async function load(url, context, next) {
  if (!url.endsWith('.ts') || url.includes('/node_modules/')) return next(url, context)
  const fileName = fileURLToPath(url)
  const text = await readFile(fileName, 'utf8')
  const known = new URL(`${createHash('sha256').update(`${fileName}\n${text}`).digest('hex')}.js`, cache)
  let source = await readFile(known, 'utf8').catch(() => undefined)
  if (source === undefined) {
    source = await compile(fileName, text)
    await mkdir(cache, { recursive: true })
    // Renamed into its place: another process must not read half of it, nor an interrupted one leave it so.
    const whole = new URL(`${known.href}.${process.pid}`)
    await writeFile(whole, source)
    await rename(whole, known)
  }
  return { format: 'module', source, shortCircuit: true }
}
