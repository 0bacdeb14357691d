import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { jpegModuleText } from './build.mjs'

test('generated/wasm.ts is what the sources compile to', async () => {
  const committed = await readFile(new URL('generated/wasm.ts', import.meta.url), 'utf8')
  const isFresh = committed === (await jpegModuleText())
  expect(isFresh, 'run `node src/data/jpeg/build.mjs` and commit generated/wasm.ts').toBe(true)
}, 60_000)
