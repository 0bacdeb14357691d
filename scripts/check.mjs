/**
 * `npm run check`: format, lint, types, architecture and the tests of the pure parts, in under 20 s, all day long.
 * Two lanes run side by side, since the compiler takes as long as all the rest.
 */
import { existsSync } from 'node:fs'
import { root, run, tool } from './tools.mjs'

const budget = 20
/** Tests without files, packages or training, and of the runtime the smallest one. Everything else is for `npm test`. */
const tiny = ['test/architecture.test.ts', 'test/tiny.test.ts', 'src/core', 'src/contract', 'src/graph', 'src/formats']

const lanes = [
  [['types', tool('tsc', '-p', 'tsconfig.json', '--pretty')]],
  [
    ['format and lint', tool('biome', 'check', '--colors=off')],
    [
      'architecture and tiny tests',
      // In one process for each core: starting one for each file takes longer than the tests.
      tool('vitest', 'run', '--reporter=dot', '--no-isolate', ...tiny.filter((path) => existsSync(`${root}/${path}`))),
    ],
  ],
]

if (!existsSync(`${root}/node_modules/typescript`)) {
  console.error("the tools are not installed: type 'npm ci' first")
  process.exit(1)
}
const start = performance.now()

async function runLane(steps) {
  const results = []
  for (const [name, command] of steps) {
    const result = await run(command, { quiet: true })
    console.log(`${result.code === 0 ? 'ok  ' : 'FAIL'}  ${name.padEnd(30)} ${result.seconds.toFixed(1).padStart(5)} s`)
    results.push({ name, ...result })
  }
  return results
}

const results = (await Promise.all(lanes.map(runLane))).flat()
const failed = results.filter(({ code }) => code !== 0)
for (const { name, output } of failed) console.log(`\n--- ${name}\n${output.trim()}`)
if (failed.some(({ name }) => name === 'format and lint'))
  console.log("\n'npm run format' repairs what can be repaired.")

const seconds = (performance.now() - start) / 1000
const late = seconds > budget ? ` (over the ${budget} s that it may take: move slow tests out of the tiny ones)` : ''
console.log(
  `\ncheck: ${failed.length === 0 ? 'all is well' : `${failed.length} failed`} in ${seconds.toFixed(1)} s${late}`,
)
process.exitCode = failed.length === 0 ? 0 : 1
