import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { QuernError } from '../core/errors.ts'
import { float32, int64 } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { writeModel } from '../onnx/write.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import { createArena, planLayout } from './arena.ts'
import type { Device, Session } from './backend.ts'
import { importBinding } from './onnxruntime-binding.ts'
import { createNodeBackend } from './onnxruntime-node.ts'

const backend = createNodeBackend({ threads: 1 })

/** y = x w for x `[batch, 2]` */
function product(): Uint8Array {
  const g = new Emitter(table, new GraphBuilder('product'))
  const x = g.builder.input('x', { dtype: 'float32', shape: ['batch', 2] })
  const w = g.builder.parameter('w', { dtype: 'float32', shape: [2, 3] })
  return writeModel(g.builder.finish([g.matMul(x, w)])).model
}

describe('a session', () => {
  let session: Session
  let output: string
  beforeAll(async () => {
    session = await backend.createSession(product())
    output = session.outputs[0]!.name
  })
  afterAll(() => session.release())

  it('says what goes in and comes out, symbolic dimensions by name', () => {
    expect(session.inputs).toEqual([
      { name: 'x', dtype: 'float32', shape: ['batch', 2] },
      { name: 'w', dtype: 'float32', shape: [2, 3] },
    ])
    expect(session.outputs).toEqual([{ name: output, dtype: 'float32', shape: ['batch', 3] }])
  })

  it('runs with any batch', async () => {
    const w = float32([2, 3], [1, 2, 3, 4, 5, 6])
    const one = await session.run({ x: float32([1, 2], [1, 1]), w })
    expect(one[output]).toEqual(float32([1, 3], [5, 7, 9]))
    const none = await session.run({ x: float32([0, 2], []), w })
    expect(none[output]!.shape).toEqual([0, 3])
  })

  it('reads and writes bound memory in place: an arena needs no copies', async () => {
    const arena = createArena({
      regions: {
        in: planLayout([
          { name: 'x', dtype: 'float32', shape: [1, 2] },
          { name: 'w', dtype: 'float32', shape: [2, 3] },
        ]),
        out: planLayout([{ name: 'y', dtype: 'float32', shape: [1, 3] }]),
      },
    })
    const [x, w] = [arena.region('in').view('x'), arena.region('in').view('w')]
    const y = arena.region('out').view('y')
    const bound = session.bind({ x, w }, { [output]: y })
    ;(w.data as Float32Array).set([1, 2, 3, 4, 5, 6])
    for (const scale of [1, 10]) {
      ;(x.data as Float32Array).fill(scale)
      await bound.run()
      expect(Array.from(y.data as Float32Array)).toEqual([5 * scale, 7 * scale, 9 * scale])
    }
  })

  it.each([
    ['missing', { x: float32([1, 2], [1, 1]) }, /needs the input 'w', received x/],
    ['of another type', { x: int64([1, 2], [1, 1]) }, /'x' must be float32, received int64/],
    ['of another shape', { x: float32([2], [1, 1]) }, /'x' must have the shape \[batch, 2\], received \[2\]/],
    ['of another size', { x: float32([1, 3], [1, 1, 1]) }, /'x' must have the shape \[batch, 2\], received \[1, 3\]/],
  ])('names an input that is %s', async (_, feeds, message) => {
    await expect(session.run(feeds)).rejects.toThrow(message)
  })
})

describe('a session for results in place', () => {
  const size = 1 << 20
  const [x, w] = [float32([size, 2], new Float32Array(2 * size).fill(1)), float32([2, 3], [1, 2, 3, 4, 5, 6])]
  const y = float32([size, 3], new Float32Array(3 * size))
  let session: Session
  beforeAll(async () => {
    session = await backend.createSession(product(), { inPlace: true })
  })
  afterAll(() => session.release())

  it('has the outputs of the model, and answers a run with all of them', async () => {
    expect(session.outputs).toEqual([{ name: 'MatMul:out', dtype: 'float32', shape: ['batch', 3] }])
    const found = await session.run({ x: float32([1, 2], [1, 1]), w })
    expect(found).toEqual({ 'MatMul:out': float32([1, 3], [5, 7, 9]) })
  })

  it('writes to bound memory and makes no copy of it', async () => {
    const bound = session.bind({ x, w }, { 'MatMul:out': y })
    await bound.run()
    const before = process.memoryUsage().arrayBuffers
    for (const value of [1, 10]) {
      ;(x.data as Float32Array).fill(value)
      await bound.run()
      expect(Array.from((y.data as Float32Array).subarray(-3))).toEqual([5 * value, 7 * value, 9 * value])
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(y.data.length)
  })

  it('writes few results as ever', async () => {
    const one = float32([1, 3], new Float32Array(3))
    await session.bind({ x: float32([1, 2], [1, 2]), w }, { 'MatMul:out': one }).run()
    expect(Array.from(one.data as Float32Array)).toEqual([9, 12, 15])
  })

  it('says what a run fails from', async () => {
    const cut = float32([size, 2], new Float32Array(2 * size))
    await expect(session.bind({ x, w }, { 'MatMul:out': cut }).run()).rejects.toThrow(/the runtime failed: /)
  })
})

describe('a session that computes at once', () => {
  const feeds = { x: float32([1, 2], [1, 1]), w: float32([2, 3], [1, 2, 3, 4, 5, 6]) }
  /** Whether the event loop had a turn while it ran. */
  const waits = async (session: Session): Promise<boolean> => {
    let hasTurned = false
    setImmediate(() => {
      hasTurned = true
    })
    await session.run(feeds)
    return hasTurned
  }

  it('has the ports and the bits of one that waits for the next turn of the loop, and does not wait', async () => {
    const [now, later] = await Promise.all(
      [true, false].map((immediate) => backend.createSession(product(), { immediate, threads: 1 })),
    )
    expect([now!.inputs, now!.outputs]).toEqual([later!.inputs, later!.outputs])
    expect(await now!.run(feeds)).toEqual(await later!.run(feeds))
    expect(now!.runNow!(feeds)).toEqual(await later!.run(feeds))
    expect(later!.runNow).toBe(undefined)
    expect([await waits(now!), await waits(later!)]).toEqual([false, true])
    await expect(now!.run({ ...feeds, x: float32([1, 3], [1, 1, 1]) })).rejects.toThrow(/'x' must have the shape/)
    await expect(now!.run(feeds, ['MatMul:outs'])).rejects.toThrow(/no output 'MatMul:outs'.*MatMul:out/)
    await Promise.all([now!.release(), later!.release()])
  })

  it('says what is wrong with a model in the same words', async () => {
    const refused = (immediate: boolean): Promise<string> =>
      backend.createSession(Uint8Array.of(1, 2, 3), { immediate }).then(String, (error: Error) => error.message)
    expect(await refused(true)).toBe(await refused(false))
  })

  describe('is one that waits where the binding is not as it was', () => {
    type Binding = typeof import('onnxruntime-node/dist/binding.js')
    const own = importBinding() as Promise<Binding>
    const changed = async (change: (Native: Binding['binding']['InferenceSession']) => unknown): Promise<unknown> => {
      const { binding, initOrt } = await own
      return { initOrt, binding: { InferenceSession: change(binding.InferenceSession) } }
    }
    it.each<[string, () => Promise<unknown>]>([
      ['not there', () => Promise.reject(new Error('no such module'))],
      ['another module', async () => ({})],
      ['without the class', () => changed(() => undefined)],
      [
        'with a run that answers later',
        () =>
          changed(
            (Native) =>
              class extends Native {
                override run(...args: Parameters<InstanceType<typeof Native>['run']>): never {
                  return Promise.resolve(super.run(...args)) as never
                }
              },
          ),
      ],
      [
        'with other metadata',
        () =>
          changed(
            (Native) =>
              class extends Native {
                override get inputMetadata(): never {
                  return super.inputMetadata.map((port) => ({ ...port, shape: undefined })) as never
                }
              },
          ),
      ],
    ])('%s', async (_, binding) => {
      const session = await createNodeBackend({ threads: 1 }, binding).createSession(product(), { immediate: true })
      expect(session.runNow).toBe(undefined)
      expect(await waits(session)).toBe(true)
      expect((await session.run(feeds))['MatMul:out']).toEqual(float32([1, 3], [5, 7, 9]))
      await session.release()
    })
  })
})

describe('a device', () => {
  it.each(['cuda', 'coreml', 'dml', 'webgpu'] satisfies Device[])('that is not there is named: %s', async (device) => {
    const made = await backend.createSession(product(), { device }).catch((error: unknown) => error)
    // A machine that has the device runs the model on it.
    if (!(made instanceof QuernError)) return (made as Session).release()
    expect(made.message).toContain(`device '${device}'`)
    expect(made).toMatchObject({ kind: 'unsupported', hint: expect.stringContaining("device: 'cpu'") })
  })
})

it('says that bytes are no model', async () => {
  await expect(backend.createSession(Uint8Array.of(1, 2, 3))).rejects.toThrow(/the runtime does not accept the model/)
})
