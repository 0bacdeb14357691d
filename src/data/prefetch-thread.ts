/** The thread that makes batches ahead of training. Started by prefetch.ts, which sends it shared memory alone when there is work. */
import { parentPort } from 'node:worker_threads'
import { dtypes, type NumericArray } from '../core/dtype.ts'
import { createRandom } from '../core/random.ts'
import { createAugment } from './augment.ts'
import { createFill, type Fill } from './batches.ts'
import { createDataset } from './dataset.ts'
import { type Ahead, at, done, slots, stateOf, writing } from './prefetch-protocol.ts'

parentPort!.once('message', work)
warmUp()

/** Changes a few pictures of noise in every way, so that the first batch is not made by code that runs for the first time. */
function warmUp(): void {
  const apply = createAugment({
    flipHorizontal: true,
    flipVertical: true,
    shift: 0.1,
    rotate: 10,
    crop: 1,
    cutout: 0.2,
  })
  const shape = [3, 32, 32]
  const pixels = new Uint8Array(3 * 32 * 32)
  const random = createRandom(0)
  for (let i = 0; i < 200; i++) apply(pixels, 0, shape, random)
}

/** Writers into each slot. */
function fillsOf({ columns, length, batchSize, augment, repeats, random, ...given }: Ahead): readonly Fill[] {
  const dataset = createDataset({ columns })
  const apply = createAugment(augment.config)
  return Array.from({ length: slots }, (_, slot) => {
    const into = Object.fromEntries(
      Object.entries(given.slots).map(([name, bytes]) => {
        const size = bytes.length / slots
        const Values = dtypes[columns[name]!.dtype].array as unknown as (new (
          buffer: SharedArrayBuffer,
          offset: number,
          length: number,
        ) => NumericArray) & { readonly BYTES_PER_ELEMENT: number }
        return [name, new Values(bytes.buffer, bytes.byteOffset + slot * size, size / Values.BYTES_PER_ELEMENT)]
      }),
    )
    return createFill(dataset, {
      capacity: Math.min(batchSize, length),
      into,
      augment: { column: augment.column, apply },
      random: createRandom(random.seed, random.stream),
      repeats,
    })
  })
}

/** Fills tickets until it is told to stop; while there is none to fill, it sleeps. */
function work(given: Ahead): void {
  const { numbers, orders, length, batchSize, steps } = given
  const fills = fillsOf(given)
  let next = 0
  while (Atomics.load(numbers, at.stop) === 0) {
    const signal = Atomics.load(numbers, at.signal)
    const generation = Atomics.load(numbers, at.generation)
    const wanted = Atomics.load(numbers, at.wanted)
    const first = Atomics.load(numbers, at.first)
    const epoch = Atomics.load(numbers, at.epoch)
    const line = Atomics.load(numbers, at.line)
    const ticket = Math.max(next, wanted)
    const isSettled = generation % 2 === 0 && Atomics.load(numbers, at.generation) === generation
    if (!isSettled || ticket < first || ticket >= Math.min(first + 2 * steps, wanted + slots)) {
      Atomics.wait(numbers, at.signal, signal)
      continue
    }
    const own = epoch + Math.floor((ticket - first) / steps)
    const from = ((ticket - first) % steps) * batchSize
    Atomics.store(numbers, stateOf(ticket), writing(ticket))
    const order = orders.subarray((own % 2) * length, (own % 2 === 0 ? 1 : 2) * length)
    fills[ticket % slots]!(order, from, Math.min(batchSize, length - from), own)
    // Where another line began meanwhile, what was written is of no use, and its ticket is never asked for.
    if (Atomics.load(numbers, at.line) === line) Atomics.store(numbers, stateOf(ticket), done(ticket))
    Atomics.notify(numbers, stateOf(ticket))
    next = ticket + 1
  }
}
