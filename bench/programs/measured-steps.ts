/** What the programs of training steps share: the arguments behind their own, the clock, and the one JSON line at the end. */
import { readFileSync } from 'node:fs'
import type { SessionOptions } from '../../src/runtime/backend.ts'
import type { TrainingStep } from '../../src/train/step.ts'

/** Steps that are run before the clock starts, beginning with the one that touches all memory for the first time. */
const usualWarmUp = 3

/** Arguments of every program of this kind: [what it reads, its shape, STEPS, THREADS, PROFILE_PREFIX]. */
export interface StepArguments {
  readonly file: string
  /** whole numbers, separated by commas */
  readonly sizes: readonly number[]
  readonly steps: number
  readonly session: SessionOptions
}

export function stepArguments(): StepArguments {
  const [file = '', sizes = '', steps = '30', threads = '2', profile] = process.argv.slice(2)
  return {
    file,
    sizes: sizes.split(',').map(Number),
    steps: Number(steps),
    session: { threads: Number(threads), ...(profile ? { profile } : {}) },
  }
}

/**
 * Runs the steps and prints milliseconds a step (by the clock, and of processor time), the losses of the first and of the last ten steps,
 * and the number of parameters.
 *
 * @param run one step, counted from 0, batch included; its loss
 */
export async function measureSteps(
  run: (i: number) => Promise<number>,
  steps: number,
  step: Pick<TrainingStep, 'trainableCount' | 'release'>,
  warmUp: number = usualWarmUp,
): Promise<void> {
  const losses: number[] = []
  for (let i = 0; i < warmUp; i++) losses.push(await run(i))
  const [start, used] = [performance.now(), process.cpuUsage()]
  for (let i = warmUp; i < warmUp + steps; i++) losses.push(await run(i))
  const milliseconds = (performance.now() - start) / steps
  const { user, system } = process.cpuUsage(used)
  const processor = (user + system) / 1000 / steps
  await step.release()
  const last = losses.slice(-10)
  const loss = last.reduce((sum, value) => sum + value, 0) / last.length
  const parameters = step.trainableCount
  console.log(JSON.stringify({ milliseconds, processor, firstLoss: losses[0], loss, parameters, memory: peakMemory() }))
}

/** Highest resident memory of this process in MB; of /proc, since getrusage's maxrss begins with the parent's. */
function peakMemory(): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024
  } catch {
    return process.resourceUsage().maxRSS / 1024
  }
}
