/** JPEGs a second from a folder into memory, decoded and resized, beside PyTorch's DataLoader with PIL and two workers. */
import type { BenchContext, BenchRecord, SpeedFigure } from './record.ts'

const floor = 1.5
const epochs = 5

interface Pass {
  readonly seconds: number
  readonly processor: number
  readonly pictures: number
  /** of all pixels: both sides read the same pictures */
  readonly mean: number
  /** of ours: batches of an epoch out of memory */
  readonly gather?: number
  readonly way?: string
  /** of the peer: pictures a second of one pass in each of its ways, of which it takes the fastest */
  readonly ways?: Readonly<Record<string, number>>
}

async function run(context: BenchContext): Promise<SpeedFigure> {
  const { writePhotos } = await import('./photos.ts')
  const { compileProgram } = await import('./program.ts')
  const { runForJson } = await import('./processes.ts')
  const { rounded, summary } = await import('./statistics.ts')
  const { requirePythonPeer } = await import('./python-peers.ts')
  const { peerProgram } = await import('./peers.ts')
  const [pictures, side, passes] = ['pictures', 'side', 'passes'].map((name) => context.number(name))
  const { python, version } = await requirePythonPeer('pillow', context.progress)
  const program = await compileProgram(new URL('./programs/image-loader.ts', import.meta.url))
  const { source, bytes } = await writePhotos(context.folder, pictures!)
  const work = [source, String(side), String(passes)]
  const [ours, peer]: [Pass[], Pass[]] = [[], []]
  for (let round = 1; round <= context.number('rounds'); round++) {
    ours.push(await runForJson<Pass>([process.execPath, program, ...work]))
    peer.push(await runForJson<Pass>([python, peerProgram('torch_image_loader.py'), ...work]))
    const [a, b] = [ours, peer].map((list) => list.at(-1)!.pictures / list.at(-1)!.seconds)
    context.progress(`round ${round}: ours ${a!.toFixed(0)}/s, PyTorch ${b!.toFixed(0)}/s: ${(a! / b!).toFixed(2)}`)
  }
  const [first, other] = [ours[0]!, peer[0]!]
  if (first.pictures !== other.pictures || Math.abs(first.mean - other.mean) > 1) {
    throw new Error(
      `not the same pictures: ${first.pictures} of mean ${first.mean}, ${other.pictures} of ${other.mean}`,
    )
  }
  const rates = (list: readonly Pass[]) => summary(list.map((pass) => pass.pictures / pass.seconds))
  const processor = (list: readonly Pass[]) => summary(list.map((pass) => pass.processor)).median
  const [mine, theirs] = [rates(ours), rates(peer)]
  // In a run each picture is decoded once and then gathered from memory; the peer decodes it in every epoch.
  const training = ({ pictures: n, seconds, gather = 0 }: Pass): number => (epochs * n) / (seconds + epochs * gather)
  const ratio = rounded(mine.median / theirs.median)
  return {
    metric: `JPEGs a second: times as many as ${version}`,
    value: ratio,
    floor,
    ours: mine,
    peer: theirs,
    ratio,
    ratios: ours.map((pass, i) => rounded(peer[i]!.seconds / pass.seconds)),
    training: { epochs, ours: rounded(training(first)), ratio: rounded(training(first) / theirs.median) },
    processorRatio: rounded(processor(peer) / processor(ours)),
    way: other.way,
    ways: Object.fromEntries(Object.entries(other.ways ?? {}).map(([name, rate]) => [name, rounded(rate)])),
    means: { ours: rounded(first.mean), peer: rounded(other.mean) },
    rounds: context.number('rounds'),
    peerCommand: `${python} bench/peers/torch_image_loader.py FOLDER ${side} ${passes}`,
    peerVersion: version,
    protocol: `${pictures} JPEGs of 500 x 375 (${Math.round(bytes / pictures! / 1000)} kB each) to ${side} x ${side} uint8, file cache warm, a first pass not counted`,
  }
}

export const imageLoader: BenchRecord = {
  name: 'image-loader',
  title: 'JPEGs a second from a folder, decoded and resized, beside PyTorch with PIL and two workers',
  takes: '2 minutes',
  needs: ['torch'],
  builds: true,
  options: {
    pictures: { default: 600, summary: 'JPEGs in the folder' },
    side: { default: 224, summary: 'height and width that they are made into' },
    passes: { default: 2, summary: 'passes of each side in each round, behind a first one' },
    rounds: { default: 3, summary: 'times that the two sides take turns' },
  },
  run,
}
