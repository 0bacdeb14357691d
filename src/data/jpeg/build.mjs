/** Compiles the kernels of JPEG (assembly/, AssemblyScript) and writes generated/wasm.ts: `node src/data/jpeg/build.mjs`. */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { compileKernels, moduleText } from '../../runtime/kernels/build.mjs'

/** The text of generated/wasm.ts. @returns {Promise<string>} */
export async function jpegModuleText() {
  const binary = await compileKernels(new URL('assembly/', import.meta.url))
  return moduleText(binary, 'src/data/jpeg/build.mjs', 'jpegKernelsBase64')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(new URL('generated/wasm.ts', import.meta.url), await jpegModuleText())
}
