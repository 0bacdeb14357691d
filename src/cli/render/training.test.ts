import { expect, test } from 'vitest'
import type { TrainProgress } from '../../actions/train.ts'
import { Terminal } from '../terminal.ts'
import type { World } from '../world.ts'
import { createTrainingView } from './training.ts'

const started: TrainProgress = {
  type: 'started',
  parameters: 421_642,
  examples: { train: 100, validation: 10 },
  epochs: 2,
  stepsPerEpoch: 1000,
  batchSize: 32,
  seed: 0,
  device: 'cpu',
}
const step = (n: number): TrainProgress => ({
  type: 'step',
  step: n,
  epoch: 1,
  stepOfEpoch: n,
  loss: 0.5,
  scores: { loss: 0.4, accuracy: 0.9 },
  learningRate: 0.001,
})
const epoch: TrainProgress = {
  type: 'epoch',
  epoch: 1,
  step: 1000,
  train: { loss: 0.3, accuracy: 0.91 },
  validation: { loss: 0.25, accuracy: 0.93 },
  learningRate: 0.001,
  seconds: 100,
  best: true,
}

const done: TrainProgress = {
  type: 'done',
  reason: 'finished',
  epochs: 1,
  steps: 1000,
  seconds: 100,
  bestEpoch: 1,
  stepsPerSecond: 10,
  dataWait: 0.0042,
}

/** Shows 1000 steps of a tenth of a second each. */
function show(columns: number | undefined, json = false): { stdout: string; stderr: string } {
  let [stdout, stderr, now] = ['', '', 0]
  const look = columns === undefined ? {} : { isTTY: true, columns }
  const world = {
    stdout: {
      write(text: string) {
        stdout += text
      },
    },
    stderr: {
      write(text: string) {
        stderr += text
      },
      ...look,
    },
    env: { NO_COLOR: '1' },
    now: () => now,
  } as unknown as World
  const view = createTrainingView(new Terminal(world, json), world.now)
  view.show(started)
  for (let n = 1; n <= 1000; n++) {
    now += 100
    view.show(step(n))
  }
  view.show(epoch)
  view.show(done)
  return { stdout, stderr }
}

test('a terminal sees a line drawn over and over, which is gone at the end', () => {
  const { stdout, stderr } = show(120)
  const frames = stderr.split('\r\u001b[2K')
  expect(frames.at(-2)).toMatch(
    /^epoch 1\/2 \[=+>? *\] 1000\/1000 {2}1:40 left {2}loss 0\.4000 {2}accuracy 0\.9000 {2}10\.0 steps\/s$/,
  )
  expect(frames.at(-1)).toBe('')
  expect(stdout.split('\n')).toEqual([
    'model  421,642 parameters on cpu; 2 epochs of 1,000 steps of 32',
    'epoch 1/2  1:40  loss 0.3000  accuracy 0.9100  |  validation loss 0.2500  validation accuracy 0.9300  best',
    'trained 1,000 steps in 1:40, 10.0 steps/s, 0.4 % of it waiting for data; the best epoch was 1',
    '',
  ])
})

test('elsewhere plain lines, one each half minute of an epoch', () => {
  const { stdout, stderr } = show(undefined)
  expect(stderr).toBe('')
  expect(stdout).not.toContain('\r')
  expect(stdout).not.toContain('\u001b')
  const lines = stdout.trim().split('\n')
  expect(lines).toHaveLength(6)
  expect(lines[1]).toBe('epoch 1/2   300/1000  2:50 left  loss 0.4000  accuracy 0.9000  10.0 steps/s')
})

test('with --json nothing is drawn', () => {
  expect(show(120, true)).toEqual({ stdout: '', stderr: '' })
})
