import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { operatorsPage } from '../scripts/operators-page.mjs'
import { allOps } from '../src/ops/index.ts'
import { opset } from '../src/ops/op.ts'

it('docs/operators.md is current', async () => {
  const page = await readFile(new URL('../docs/operators.md', import.meta.url), 'utf8')
  expect(page, 'run `npm run docs:operators`').toBe(operatorsPage(allOps, opset))
})
