/** The thread that makes batches ahead of training. Started by prefetch.ts, with shared memory alone. */
import { workerData } from 'node:worker_threads'
import { dtypes, type NumericArray } from '../core/dtype.ts'
import { createRandom } from '../core/random.ts'
import { createAugment } from './augment.ts'
import { createFill, type Fill } from './batches.ts'
import { createDataset } from './dataset.ts'
import { type Ahead, at, done, slots, stateOf, writing } from './prefetch-protocol.ts'

const given = workerData as Ahead
const { numbers, columns, orders, length, batchSize, augment, repeats, random } = given

const dataset = createDataset({ columns })
const apply = createAugment(augment.config)

/** Writers into each slot. */
const fills: readonly Fill[] = Array.from({ length: slots }, (_, slot) => {
  const into = Object.fromEntries(
    Object.entries(given.slots).map(([name, bytes]) => {
      const size = bytes.length / slots
      const Values = dtypes[columns[name]!.dtype].array as unknown as new (
        buffer: SharedArrayBuffer,
        offset: number,
        length: number,
      ) => NumericArray
      const elements =
        size / (dtypes[columns[name]!.dtype].array as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT
      return [name, new Values(bytes.buffer, bytes.byteOffset + slot * size, elements)]
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

let next = 0
while (Atomics.load(numbers, at.stop) === 0) {
  const signal = Atomics.load(numbers, at.signal)
  const generation = Atomics.load(numbers, at.generation)
  const wanted = Atomics.load(numbers, at.wanted)
  const [first, end, epoch] = [at.first, at.end, at.epoch].map((place) => Atomics.load(numbers, place)) as [
    number,
    number,
    number,
  ]
  const ticket = Math.max(next, wanted)
  const isSettled = generation % 2 === 0 && Atomics.load(numbers, at.generation) === generation
  if (!isSettled || ticket < first || ticket >= Math.min(end, wanted + slots)) {
    Atomics.wait(numbers, at.signal, signal)
    continue
  }
  Atomics.store(numbers, stateOf(ticket), writing(ticket))
  const order = orders.subarray((epoch % 2) * length, (epoch % 2 === 0 ? 1 : 2) * length)
  const from = (ticket - first) * batchSize
  fills[ticket % slots]!(order, from, Math.min(batchSize, length - from), epoch)
  // An epoch that began meanwhile has other rows: what was written is of no use, and its ticket is never asked for.
  if (Atomics.load(numbers, at.generation) === generation) Atomics.store(numbers, stateOf(ticket), done(ticket))
  Atomics.notify(numbers, stateOf(ticket))
  next = ticket + 1
}
