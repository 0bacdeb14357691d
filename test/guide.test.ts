/** docs/guide.md names every setting, verb and route, with the defaults that the code has, and none that is not there. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { exportTargets } from '../src/actions/export.ts'
import { commands } from '../src/cli/commands/index.ts'
import { classificationMetrics } from '../src/metrics/index.ts'
import * as importedExports from '../src/nn/imported/index.ts'
import * as nn from '../src/nn/index.ts'
import * as lossExports from '../src/nn/losses/index.ts'
import { losses } from '../src/nn/losses/index.ts'
import { optimizers, schedules } from '../src/optim/index.ts'
import { endpoints } from '../src/serve/routes/endpoints.ts'
import { imageClassification } from '../src/tasks/image-classification.ts'

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly anyOf?: readonly JsonSchema[]
  readonly default?: unknown
}

let guide: string
beforeAll(async () => {
  guide = await readFile(new URL('../docs/guide.md', import.meta.url), 'utf8')
})

/** Settings by path, with their schemas. Sections themselves are none, unless a value may stand in their place. */
function settingsOf(schema: JsonSchema, path = ''): [string, JsonSchema][] {
  const inner = [schema, ...(schema.anyOf ?? [])].flatMap(({ properties }) => Object.entries(properties ?? {}))
  const below = inner.flatMap(([key, value]) => settingsOf(value, path === '' ? key : `${path}.${key}`))
  const isOwn = path !== '' && schema.properties === undefined
  return isOwn ? [[path, schema], ...below] : below
}

it('has a row for each setting, with its default', () => {
  const schema = z.toJSONSchema(imageClassification.schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  // Optimizers, schedules and metrics have options of their own, under `name`: their records check them.
  // The section `from` has a table of its own, whose rows name its keys alone.
  const isElsewhere = /^((train\.(optimizer|schedule)|metrics)\.name|from\..+)$/
  const settings = settingsOf(schema).filter(([path]) => !isElsewhere.test(path))
  const section = guide.slice(guide.indexOf('## Configuration'), guide.indexOf('A model of your own'))
  const rows = new Map<string, string>()
  for (const [, names, preset] of section.matchAll(/^\| (`.+?) \| (.*?) ?\| .*\|$/gm)) {
    for (const [, name] of names!.matchAll(/`([^`]+)`/g)) rows.set(name!, preset!)
  }
  expect([...rows.keys()].sort()).toEqual(settings.map(([path]) => path).sort())
  for (const [path, { default: preset }] of settings) {
    // In the words of the guide where the schema has no default.
    if (preset !== undefined) expect(rows.get(path)!.replaceAll('`', ''), path).toBe(JSON.stringify(preset))
  }
})

it('has a row for each key of `from`', () => {
  const schema = z.toJSONSchema(imageClassification.schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  const keys = settingsOf(schema).flatMap(([path]) => /^from\.(\w+)/.exec(path)?.[1] ?? [])
  const section = guide.slice(guide.indexOf('| key of `from` |'), guide.indexOf('Frozen weights are constants'))
  const rows = [...section.matchAll(/^\| (`.+?`) \|/gm)].flatMap(([, names]) => names!.split(', '))
  expect(rows.map((name) => name.replaceAll('`', '')).sort()).toEqual([...new Set(keys)].sort())
})

it('names every optimizer, schedule, metric and export target', () => {
  const names = [...Object.keys(optimizers), ...Object.keys(schedules), ...exportTargets]
  for (const name of [...names, ...classificationMetrics.map((metric) => metric.name)]) {
    expect(guide).toMatch(new RegExp(`\`[^\`]*${name}[^\`]*\``))
  }
})

it('has each loss in its table, and none that is not there', () => {
  const section = guide.slice(guide.indexOf('### Losses'), guide.indexOf('## Limits'))
  const rows = [...section.matchAll(/^\| (`.+?`) \|/gm)].flatMap(([, names]) => names!.split(', '))
  expect(rows.map((name) => name.replaceAll('`', '')).sort()).toEqual(Object.keys(losses).sort())
})

it('has a line for each layer, and for nothing else', () => {
  const section = guide.slice(guide.indexOf('### Layers'), guide.indexOf('### Losses'))
  const named = [...section.matchAll(/^\| (`.+?) \|/gm)].flatMap(([, names]) =>
    [...names!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!),
  )
  const others = [
    'layer',
    'input',
    'trace',
    'Tracer',
    'initialParameters',
    'initialValues',
    ...Object.keys(importedExports),
    ...Object.keys(lossExports),
  ]
  expect(named.sort()).toEqual(
    Object.keys(nn)
      .filter((name) => !others.includes(name))
      .sort(),
  )
})

it('has programs that run, for training from code', { timeout: 60_000 }, async () => {
  const section = guide.slice(guide.indexOf('### Training from code'), guide.indexOf('### Adapters'))
  const programs = [...section.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, text]) => text!)
  expect(programs).toHaveLength(6)
  const folder = await mkdtemp(join(tmpdir(), 'quern-guide-'))
  try {
    const printed = await Promise.all(
      programs.map(async (text, i) => {
        const file = join(folder, `${i}.ts`)
        await writeFile(file, text)
        const loader = new URL('../scripts/typescript.mjs', import.meta.url).href
        return (await promisify(execFile)(process.execPath, ['--import', loader, file])).stdout
      }),
    )
    const [fitted, joint, own, gan, distilled, minimum] = printed as [string, string, string, string, string, string]
    for (const [text, name] of [
      [fitted, 'loss'],
      [joint, 'denoise'],
      [joint, 'judge'],
      [distilled, 'alike'],
      [distilled, 'labels'],
    ] as const) {
      const losses = [...text.matchAll(new RegExp(`${name}: ([\\d.]+)`, 'g'))].map(([, loss]) => Number(loss))
      expect(losses.length, name).toBeGreaterThanOrEqual(5)
      expect(losses.at(-1), name).toBeLessThan(0.8 * losses[0]!)
    }
    // the level below which four of five standard normal numbers lie
    expect(Number(own)).toBeGreaterThan(0.6)
    expect(Number(own)).toBeLessThan(1.1)
    expect(Number(gan)).toBeGreaterThan(0.7)
    expect(Number(gan)).toBeLessThan(1.3)
    const [, least, answer] = /^([\d.e-]+) \d+ \S+\n.*\[ ([\d.]+) \]/.exec(minimum)!
    expect(Number(least)).toBeLessThan(1e-3)
    expect(Number(answer)).toBeCloseTo(Math.sin(1), 1)
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('names every verb', () => {
  const verbs = [...guide.matchAll(/^\| `quern (\w+)/gm)].map(([, verb]) => verb!)
  expect(verbs.sort()).toEqual(commands.map(({ name }) => name).sort())
})

it('names every route', () => {
  const section = guide.slice(guide.indexOf('## HTTP'), guide.indexOf('## Library'))
  const matches = [...section.matchAll(/`(GET|POST|DELETE) ([^`]+)`/g)].map(([, method, path]) => `${method} ${path}`)
  const named = [...new Set(matches)]
  const versions = '/v2/models/{model}/versions/{version}'
  named.push(`GET ${versions}/ready`, `POST ${versions}/infer`)
  expect(named.sort()).toEqual(endpoints.map(({ method, path }) => `${method.toUpperCase()} ${path}`).sort())
})
