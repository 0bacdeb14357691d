/** Reads a table whole: kinds of its columns found over all rows, then every chunk. Arguments: the file. Prints a JSON object. */
import { readFileSync } from 'node:fs'
import { openTable } from '../../src/data/sources/open-table.ts'

const [file = ''] = process.argv.slice(2)
const start = performance.now()
const source = await openTable(file, {})
const schema = await source.schema()
const found = performance.now()
let rows = 0
let sum = 0
for await (const table of source.read()) {
  rows += table.rows
  // Every value is touched, as whoever trains does.
  for (const { values } of table.columns.values()) for (let i = 0; i < values.length; i++) sum += values[i]! || 0
}
const end = performance.now()
await source.release()
const { user, system } = process.cpuUsage()
const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1])
const kinds = schema.columns.map(({ name, kind }) => `${name} ${kind}`).join(', ')
const times = { seconds: (end - start) / 1000, inferring: (found - start) / 1000, processor: (user + system) / 1e6 }
console.log(JSON.stringify({ rows, sum, kinds, ...times, memory: peak / 1024 }))
