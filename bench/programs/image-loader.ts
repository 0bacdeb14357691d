/**
 * Reads a folder of pictures as training does, without the cache, the counterpart of peers/torch_image_loader.py. usage: image-loader FOLDER SIDE PASSES;
 * prints one JSON line: seconds of a pass behind a first one, and of gathering the batches of an epoch from what was read.
 */
import { createRandom } from '../../src/core/random.ts'
import { createBatches } from '../../src/data/batches.ts'
import { columnOf, exampleSize } from '../../src/data/dataset.ts'
import { loadImageFolder } from '../../src/data/image-folder-source.ts'

const [folder = '', side = '224', passes = '3'] = process.argv.slice(2)
const size = { height: Number(side), width: Number(side) }
const batchSize = 32

await loadImageFolder(folder, size)
const [start, used] = [performance.now(), process.cpuUsage()]
let { all } = await loadImageFolder(folder, size)
for (let i = 1; i < Number(passes); i++) ({ all } = await loadImageFolder(folder, size))
const seconds = (performance.now() - start) / 1000 / Number(passes)
const { user, system } = process.cpuUsage(used)

const column = columnOf(all!, 'image')
const image = new Uint8Array(batchSize * exampleSize(column))
const batches = createBatches(all!, { batchSize, into: { image }, random: createRandom(1) })
const gathering = performance.now()
batches.start(1)
for (let step = 0; step < batches.steps; step++) batches.fill(step)
const gather = (performance.now() - gathering) / 1000

const data = column.data as Uint8Array
let sum = 0
for (const value of data) sum += value
const processor = (user + system) / 1e6 / Number(passes)
console.log(JSON.stringify({ seconds, gather, pictures: all!.length, mean: sum / data.length, processor }))
