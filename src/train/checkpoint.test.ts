import { describe, expect, test } from 'vitest'
import { bytesOf, computed, prepare, type Setup, smallNetwork, train } from '../../test/run-training.ts'
import * as nn from '../nn/index.ts'
import { type CheckpointStore, decodeCheckpoint, encodeCheckpoint, memoryCheckpoints } from './checkpoint.ts'
import { runLoop } from './loop.ts'

describe('checkpoints that cannot be used', () => {
  /** Resumes from what `change` makes of a good checkpoint; returns the message and whether memory stayed as it was. */
  async function resumeFrom(change: (bytes: Uint8Array) => Uint8Array, setup: Setup = {}) {
    const checkpoints = memoryCheckpoints()
    await train({ loop: { checkpoints, epochs: 1 } })
    await checkpoints.write('last', change((await checkpoints.read('last'))!))
    const { step, options } = await prepare({ ...setup, loop: { resume: true, ...setup.loop, checkpoints } })
    const before = bytesOf(step)
    const message = await runLoop(options)
      .next()
      .then(
        () => 'no error',
        (error: Error) => error.message,
      )
    expect(bytesOf(step)).toEqual(before)
    await step.release()
    return message
  }

  const edit = (bytes: Uint8Array, position: Record<string, unknown>) => {
    const checkpoint = decodeCheckpoint(bytes, 'checkpoint')
    return encodeCheckpoint(checkpoint.tensors, { ...checkpoint.position, ...position })
  }

  test('truncated at any length', async () => {
    for (const share of [0, 0.001, 0.01, 0.1, 0.5, 0.999]) {
      const message = await resumeFrom((bytes) => bytes.slice(0, Math.floor(bytes.length * share)))
      expect(message).toMatch(/^the last checkpoint is damaged/)
    }
  })

  test('of another model', async () => {
    const wider = nn.sequential([nn.rescaling({ scale: 1 / 255 }), nn.flatten(), nn.dense({ units: 10 })])
    expect(await resumeFrom((bytes) => bytes, { model: wider })).toMatch(
      /does not fit the model: 'parameters\/dense\/kernel'/,
    )
    const deeper = nn.sequential([smallNetwork(), nn.dense({ units: 10 })])
    expect(await resumeFrom((bytes) => bytes, { model: deeper })).toMatch(/absent in the checkpoint/)
    expect(await resumeFrom((bytes) => bytes, { optimizer: 'sgd' })).toMatch(
      /'firstMoment\/conv2d\/kernel' is absent in the model and float32 \[4, 1, 5, 5\] in the checkpoint/,
    )
  })

  test('of a changed configuration', async () => {
    expect(await resumeFrom((bytes) => bytes, { loop: { fingerprint: 'other' } })).toBe(
      'the configuration or the data changed since the checkpoint was written',
    )
  })

  test('without or with a nonsensical position', async () => {
    for (const position of [
      { step: -1 },
      { epoch: 1.5 },
      { scores: undefined },
      { lossSum: Number.NaN },
      { fingerprint: 3 },
    ]) {
      expect(await resumeFrom((bytes) => edit(bytes, position))).toMatch(
        /is damaged: it does not say where the run stood/,
      )
    }
  })

  test('none at all', async () => {
    await expect(train({ loop: { resume: true } })).rejects.toThrow('there is no checkpoint to resume from')
  })
})

test('a full disk: the error reaches the caller, and the checkpoint before it resumes the run', async () => {
  const inner = memoryCheckpoints()
  let writes = 0
  const full: CheckpointStore = {
    read: inner.read,
    write: async (kind, bytes) => {
      if (++writes > 2) throw new Error('ENOSPC: no space left on device')
      await inner.write(kind, bytes)
    },
  }
  const whole = await train({ loop: { epochs: 3 } })
  await expect(train({ loop: { epochs: 3, checkpoints: full } })).rejects.toThrow('ENOSPC')
  const resumed = await train({ loop: { epochs: 3, checkpoints: inner, resume: true } })
  const later = computed(whole.events).filter((event) => 'epoch' in event && event.epoch > 1)
  expect(computed(resumed.events)).toEqual(later)
  expect(resumed.state).toEqual(whole.state)
})
