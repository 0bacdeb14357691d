/** The share of a run's steps that goes by waiting for their batch, on MNIST and on a folder of JPEGs that are changed at random in each epoch. */
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BenchContext, BenchRecord, Figure } from './record.ts'

const most = 0.03

interface Waited {
  readonly dataWait: number
  readonly steps: number
  readonly stepsPerSecond: number
  /** until the data was in memory, in a first run, and in one that finds the cache */
  readonly reading: readonly number[]
}

/** `quern train` in a process of its own, as a user runs it. */
async function train(folder: string, config: object, times = 1): Promise<Waited> {
  const { runProcess } = await import('./processes.ts')
  const { root } = await import('./machine.ts')
  await writeFile(join(folder, 'quern.config.ts'), `export default ${JSON.stringify(config)}\n`)
  const reading: number[] = []
  let done: Omit<Waited, 'reading'> | undefined
  for (let i = 0; i < times; i++) {
    const { stdout } = await runProcess([process.execPath, `${root}/dist/cli/main.js`, 'train', '--json'], {
      cwd: folder,
    })
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; seconds: number })
    reading.push(events.find(({ type }) => type === 'data')!.seconds)
    done = events.find(({ type }) => type === 'done') as unknown as Omit<Waited, 'reading'>
  }
  const { dataWait, steps, stepsPerSecond } = done!
  return { dataWait, steps, stepsPerSecond, reading }
}

async function run(context: BenchContext): Promise<Figure> {
  const { mnistSource } = await import('./mnist.ts')
  const { writePhotos } = await import('./photos.ts')
  const { rounded } = await import('./statistics.ts')
  const places = { mnist: join(context.folder, 'digits'), photos: join(context.folder, 'pictures') }
  for (const place of Object.values(places)) await mkdir(place)
  const source = await mnistSource(places.mnist, { examples: context.number('examples'), test: false })
  const task = 'image-classification'
  const mnist = await train(places.mnist, {
    ...{ task, name: 'digits', data: { source }, model: 'cnn', train: { epochs: 1 } },
  })
  context.progress(`MNIST: ${(100 * mnist.dataWait).toFixed(2)} % of ${mnist.steps} steps`)
  const { source: photos } = await writePhotos(context.folder, context.number('pictures'))
  await cp(photos, join(places.photos, 'photos'), { recursive: true })
  const changed = { flipHorizontal: true, shift: 0.1, rotate: 15, cutout: 0.2 }
  const folder = await train(
    places.photos,
    {
      ...{ task, name: 'photos', data: { source: './photos', image: { height: 64, width: 64 } }, model: 'cnn' },
      ...{ augment: changed, train: { epochs: 3 } },
    },
    2,
  )
  context.progress(`JPEGs: ${(100 * folder.dataWait).toFixed(2)} % of ${folder.steps} steps`)
  const worst = Math.max(mnist.dataWait, folder.dataWait)
  const plain = ({ reading, ...rest }: Waited) => ({ ...rest, reading: reading.map(rounded) })
  return {
    metric: 'share of the time of steps that waited for data, the worse of MNIST and a folder of JPEGs',
    value: Number(worst.toFixed(4)),
    floor: most,
    better: 'lower',
    mnist: plain(mnist),
    jpegs: plain(folder),
    augment: changed,
    protocol:
      'quern train; steps with their batches, without validation; pictures are read into memory before the first step: seconds in `reading`, the second with the cache',
  }
}

export const dataWait: BenchRecord = {
  name: 'data-wait',
  title: 'share of training time that waits for data: MNIST, and JPEGs that are flipped, shifted and turned',
  takes: '1 minute',
  needs: [],
  builds: true,
  options: {
    examples: { default: 20_000, summary: 'training images of MNIST; 0: all' },
    pictures: { default: 1000, summary: 'JPEGs in the folder' },
  },
  run,
}
