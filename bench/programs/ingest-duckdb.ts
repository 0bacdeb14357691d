/** DuckDB alone reads a table whole into memory, with the kinds of columns that it finds itself. Arguments: the file. Prints a JSON object. */
import { readFileSync } from 'node:fs'
import { DuckDBInstance } from '@duckdb/node-api'

const [file = ''] = process.argv.slice(2)
const start = performance.now()
const connection = await (await DuckDBInstance.create(':memory:')).connect()
await connection.run(`CREATE TABLE t AS FROM '${file.replaceAll("'", "''")}'`)
const reader = await connection.runAndReadAll('SELECT count(*) AS n FROM t')
const seconds = (performance.now() - start) / 1000
const rows = Number(reader.getRows()[0]![0])
const { user, system } = process.cpuUsage()
const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1])
console.log(JSON.stringify({ rows, seconds, processor: (user + system) / 1e6, memory: peak / 1024 }))
