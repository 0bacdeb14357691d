/**
 * Programs of bench/programs/ as a user's machine would run them. Their types are checked against src/, but what runs is
 * dist/: one process, plain JavaScript, none of the memory and start-up time of a TypeScript loader.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { root } from './machine.ts'

/** Writes the JavaScript of a program and of the files beside it that it imports; imports of src/ lead to dist/. Returns its path. */
export async function compileProgram(program: URL): Promise<string> {
  const { default: ts } = await import('typescript')
  const source = fileURLToPath(program)
  const compilerOptions = {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ES2023,
    verbatimModuleSyntax: true,
  }
  const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), { fileName: source, compilerOptions })
  const dist = pathToFileURL(`${root}/dist/`).href
  // Inside node_modules/, so that packages are found and nothing is left in the checkout.
  const folder = `${root}/node_modules/.cache/quern/bench`
  mkdirSync(folder, { recursive: true })
  const target = `${folder}/${basename(source, '.ts')}.mjs`
  for (const [, , beside] of outputText.matchAll(/(['"])(\.\/[^'"]+\.ts)\1/g)) {
    await compileProgram(new URL(beside!, program))
  }
  const text = outputText
    .replaceAll(/(['"])(?:\.\.\/)+src\/([^'"]+)\.ts\1/g, `$1${dist}$2.js$1`)
    .replaceAll(/(['"])(\.\/[^'"]+)\.ts\1/g, '$1$2.mjs$1')
  writeFileSync(target, text)
  return target
}
