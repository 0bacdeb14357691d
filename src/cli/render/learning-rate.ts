/** The learning-rate test in a terminal: the loss as bars over the rates, and what to try. */
import type { FoundRate } from '../../actions/find-learning-rate.ts'
import type { Terminal } from '../terminal.ts'

const rows = 16
const barWidth = 32
const short = (rate: number) => rate.toExponential(1).replace('.0', '').replace('e+', 'e')

/** Lines of the test: a bar a rate (the last of those that share a row), then the suggestions and how to take one over. */
export function rateLines(found: FoundRate, { colors }: Pick<Terminal, 'colors'>): string[] {
  const { points, reason, steepest, minimumTenth, configured } = found
  const every = Math.max(1, Math.ceil(points.length / rows))
  const shown = points.filter((_, i) => i % every === every - 1)
  const losses = shown.map(({ smoothed }) => smoothed)
  const [least, most] = [Math.min(...losses), Math.max(...losses)]
  // A loss that ran away would hide the fall before it.
  const ceiling = Math.min(most, (points[0]?.smoothed ?? most) * 2 - Math.min(0, least))
  const chart = shown.map(({ learningRate, smoothed }) => {
    const share = Math.max(0, Math.min(1, smoothed / (ceiling || 1)))
    return `${short(learningRate).padStart(8)}  ${smoothed.toPrecision(4).padStart(9)}  ${'█'.repeat(Math.round(share * barWidth))}`
  })
  const ended =
    reason === 'diverged'
      ? `the loss ran away after ${points.length} rates`
      : reason === 'interrupted'
        ? `stopped after ${points.length} rates`
        : `${points.length} rates tried`
  const suggestion = steepest ?? minimumTenth
  return [
    colors.dim('    rate       loss'),
    ...chart,
    '',
    ended,
    ...(steepest === undefined ? [] : [`steepest      ${colors.bold(short(steepest))}`]),
    ...(minimumTenth === undefined ? [] : [`minimum / 10  ${colors.bold(short(minimumTenth))}`]),
    `configured    ${short(configured)}`,
    suggestion === undefined
      ? 'the loss never fell: no rate can be suggested'
      : `to take it over: train: { optimizer: { name: ..., learningRate: ${short(suggestion)} } }`,
  ]
}
