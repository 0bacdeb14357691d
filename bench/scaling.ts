/** How step time and memory of a GPT grow with its parameters and with the length of the text. `--plot` draws them into docs/images/. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { plot } from '../src/evaluate/html/plot.ts'
import { writeText } from './examples.ts'
import { type GptRun, gptProgram } from './gpt-program.ts'
import { root } from './machine.ts'
import type { BenchContext, BenchRecord, Figure } from './record.ts'
import { rounded } from './statistics.ts'

/** layers,heads,width of about 1, 3, 10, 30 and 100 million parameters: 12 layers width^2 */
const models = [
  [1, '4,4,144'],
  [3, '6,4,208'],
  [10, '6,4,376'],
  [30, '8,8,560'],
  [100, '12,8,832'],
] as const
const lengths = [64, 128, 256, 512, 1024]

interface Point {
  readonly x: number
  readonly milliseconds: number
  readonly memory: number
}

/** Slope of a straight line through the logarithms (least squares): 1 is proportional. */
function exponent(points: readonly Point[], value: (point: Point) => number): number {
  const logs = points.map((point) => [Math.log(point.x), Math.log(value(point))] as const)
  const mean = (i: 0 | 1) => logs.reduce((sum, pair) => sum + pair[i], 0) / logs.length
  const [x, y] = [mean(0), mean(1)]
  const over = logs.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0)
  return over / logs.reduce((sum, [a]) => sum + (a - x) ** 2, 0)
}

async function draw(file: string, title: string, axis: string, points: readonly Point[]): Promise<void> {
  const short = (value: number) =>
    value >= 1e6 ? `${Number((value / 1e6).toPrecision(3))} M` : String(Number(value.toPrecision(3)))
  const line = (name: string, look: 'first' | 'second', value: (point: Point) => number) => ({
    name,
    look,
    dots: true,
    points: points.map((point) => [point.x, value(point)] as const),
  })
  const drawn = plot({
    title,
    x: { title: axis, scale: 'log', format: short },
    y: { title: 'ms a step, MB', scale: 'log', format: short },
    lines: [
      line('step time, ms', 'first', ({ milliseconds }) => milliseconds),
      line('peak memory, MB', 'second', ({ memory }) => memory),
    ],
  })
  if (drawn) await writeFile(join(root, 'docs/images', file), drawn.text)
}

async function run(context: BenchContext): Promise<Figure> {
  const [steps, threads, most] = [context.number('steps'), context.number('threads'), context.number('most')]
  const measure = await gptProgram()
  const text = await writeText(context.folder)
  const point = async (shape: string, xOf: (run: GptRun) => number): Promise<Point> => {
    const made = await measure({ text, shape, steps, threads, again: 'none' })
    context.progress(
      `${shape}: ${made.parameters} parameters, ${rounded(made.milliseconds)} ms, ${rounded(made.memory)} MB`,
    )
    return { x: xOf(made), milliseconds: rounded(made.milliseconds), memory: rounded(made.memory) }
  }
  const [parameters, sequence]: [Point[], Point[]] = [[], []]
  for (const [size, model] of models) {
    if (size <= most) parameters.push(await point(`${model},64,4,65`, (made) => made.parameters))
  }
  for (const length of lengths) {
    if (length <= context.number('longest')) sequence.push(await point(`4,4,128,${length},4,65`, () => length))
  }
  if (context.flag('plot')) {
    await draw('scaling-parameters.svg', 'A training step as the model grows', 'parameters', parameters)
    await draw('scaling-length.svg', 'A training step as the text grows', 'tokens in a sequence', sequence)
  }
  const growth = (points: readonly Point[]) => ({
    time: rounded(exponent(points, ({ milliseconds }) => milliseconds)),
    memory: rounded(exponent(points, ({ memory }) => memory)),
  })
  return {
    metric: 'exponent of step time over parameters: 1 is proportional',
    value: growth(parameters).time,
    growth: { parameters: growth(parameters), length: growth(sequence) },
    parameters,
    sequence,
    protocol:
      'batch 4; parameters at context 64, length at 4 layers of 128; memory: VmHWM of the process, activations kept',
  }
}

export const scaling: BenchRecord = {
  name: 'scaling',
  title: 'step time and memory of a GPT from 1 M to 100 M parameters, and from 64 to 1024 tokens',
  takes: '5 minutes',
  needs: [],
  builds: true,
  options: {
    steps: { default: 5, summary: 'steps that are timed at each point' },
    threads: { default: 2, summary: 'threads' },
    most: { default: 100, summary: 'millions of parameters of the largest model' },
    longest: { default: 1024, summary: 'tokens of the longest sequence' },
    plot: { default: false, summary: 'writes docs/images/scaling-parameters.svg and scaling-length.svg' },
  },
  run,
}
