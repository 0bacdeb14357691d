/**
 * ONNX Runtime in Node.js. onnxruntime-node is imported here, when the first session is made, so that
 * `quern --help` does not wait for it.
 */
import type * as Ort from 'onnxruntime-node'
import type { DType } from '../core/dtype.ts'
import { messageOf, QuernError, suggestion } from '../core/errors.ts'
import { formatShape, isStatic, unknownDim } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Backend, BoundRun, Device, NamedTensors, PortInfo, Session, SessionOptions } from './backend.ts'
import { giveMemoryBack } from './give-memory-back.ts'
import { importBinding, type NativeSession, type NewSession, nativeSessions, portOf } from './onnxruntime-binding.ts'
import { isRefusal, isRefusedOutput, refusedOutput, withRefusedOutput } from './refused-output.ts'

type OrtModule = typeof Ort

/** Results whose copies take less time than the error that spares them. */
const freeBytes = 65_536

let loading: Promise<OrtModule> | undefined

function loadRuntime(): Promise<OrtModule> {
  loading ??= import('onnxruntime-node').then(quiet).catch((cause: unknown) => {
    loading = undefined
    throw new QuernError('unsupported', `ONNX Runtime could not be loaded: ${messageOf(cause)}`, {
      hint: 'Install it again with `ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node`.',
      cause,
    })
  })
  return loading
}

function quiet(ort: OrtModule): OrtModule {
  ort.env.logLevel = 'fatal'
  return ort
}

/**
 * Sessions of one backend share nothing but the library.
 *
 * @param binding the module for runs that do not wait; what it gives is looked at before it is used
 */
export function createNodeBackend(
  defaults: SessionOptions = {},
  binding: () => Promise<unknown> = importBinding,
): Backend {
  let native: Promise<NewSession | undefined> | undefined
  return {
    name: 'onnxruntime-node',
    // Devices with memory of their own copy all results behind a run.
    writesAtOnce: (options) => (({ ...defaults, ...options }).device ?? 'cpu') === 'cpu',
    giveMemoryBack,
    async createSession(model, options = {}) {
      const ort = await loadRuntime()
      const merged = { ...defaults, ...options }
      requireDevice(ort, merged.device ?? 'cpu')
      const bytes = merged.inPlace ? withRefusedOutput(model) : model
      if (merged.immediate && (merged.device ?? 'cpu') === 'cpu') {
        native ??= binding().then(
          (found) => nativeSessions(found, ort),
          () => undefined,
        )
        const made = immediateRunner(await native, bytes, merged)
        if (made) return new NodeSession(ort, made)
      }
      return new NodeSession(ort, publicRunner(await createSession(ort, bytes, merged)))
    },
  }
}

/** A session of the library, as far as it is used here. */
interface Runner {
  readonly inputs: readonly PortInfo[]
  readonly outputs: readonly PortInfo[]
  run(feeds: OrtTensors, fetches: Fetches): Promise<OrtTensors>
  /** the same before it returns, where that is possible */
  readonly runNow: ((feeds: OrtTensors, fetches: Fetches) => OrtTensors) | undefined
  release(): Promise<void>
}

type OrtTensors = Record<string, Ort.Tensor>
/** null: into memory of the runtime's own */
type Fetches = Record<string, Ort.Tensor | null>

function publicRunner(session: Ort.InferenceSession): Runner {
  return {
    inputs: session.inputMetadata.map(portInfo),
    outputs: session.outputMetadata.map(portInfo),
    run: (feeds, fetches) => session.run(feeds, fetches),
    runNow: undefined,
    async release() {
      session.endProfiling()
      await session.release()
    },
  }
}

/** Undefined where there are no native sessions, or where this model is not accepted: the public one says why. */
function immediateRunner(
  create: NewSession | undefined,
  model: Uint8Array,
  options: SessionOptions,
): Runner | undefined {
  let session: NativeSession | undefined
  try {
    session = create?.()
    session?.loadModel(model.buffer, model.byteOffset, model.byteLength, sessionOptions(options))
  } catch {
    return undefined
  }
  if (!session) return undefined
  const runNow = (feeds: OrtTensors, fetches: Fetches): OrtTensors => session.run(feeds, fetches, {}) as OrtTensors
  return {
    inputs: session.inputMetadata.map(portOf),
    outputs: session.outputMetadata.map(portOf),
    run: async (feeds, fetches) => runNow(feeds, fetches),
    runNow,
    async release() {
      session.endProfiling()
      session.dispose()
    },
  }
}

/** A native session; an error says whether the model or the device is at fault. */
async function createSession(
  ort: OrtModule,
  model: Uint8Array,
  options: SessionOptions,
): Promise<Ort.InferenceSession> {
  const { device = 'cpu' } = options
  try {
    return await ort.InferenceSession.create(model, sessionOptions(options))
  } catch (cause) {
    // A model that the processor accepts is sound: then it is the device that cannot be used.
    const isSound = device !== 'cpu' && (await createSession(ort, model, { ...options, device: 'cpu' }))
    const why = clean(messageOf(cause))
    if (!isSound) throw new QuernError('unsupported', `the runtime does not accept the model: ${why}`, { cause })
    await isSound.release()
    throw new QuernError('unsupported', `device '${device}' cannot be used: ${why}`, { hint: deviceHint, cause })
  }
}

const deviceHint = "Set device: 'cpu', or install the driver and a build of onnxruntime-node for that device."

/** The devices that this build of the runtime knows; whether the hardware is there shows when a session is made. */
function requireDevice(ort: OrtModule, device: Device): void {
  const supported = ort.listSupportedBackends().map((backend) => backend.name)
  if (!supported.includes(device)) {
    throw new QuernError(
      'unsupported',
      `device '${device}' is not available: this runtime has ${supported.join(', ')}`,
      {
        hint: deviceHint,
      },
    )
  }
}

function sessionOptions(options: SessionOptions): Ort.InferenceSession.SessionOptions {
  const { externalData, packWeights, keepReshapes } = options
  return {
    executionProviders: [options.device ?? 'cpu'],
    graphOptimizationLevel: packWeights === false ? 'disabled' : 'all',
    enableMemPattern: options.memoryPattern ?? true,
    // What goes wrong arrives as an exception; what the runtime logs besides means nothing to a user.
    logSeverityLevel: 4,
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
    ...(typeof externalData === 'object' && {
      externalData: [...externalData].map(([path, data]) => ({ path, data })),
    }),
    ...(options.profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: options.profile }),
    extra: {
      ...(keepReshapes && { optimization: { disable_specified_optimizers: 'ReshapeFusion' } }),
      session: {
        ...{ set_denormal_as_zero: '1', intra_op: { allow_spinning: '1' } },
        // DequantizeLinear of 4 bits and a product are fused to one that computes in float32, as the operators say; the default rounds activations to int8.
        qdq_matmulnbits_accuracy_level: '1',
        ...(packWeights === false && { disable_prepacking: '1' }),
        ...(typeof externalData === 'string' && { model_external_initializers_file_folder_path: externalData }),
      },
    },
  }
}

class NodeSession implements Session {
  readonly inputs: readonly PortInfo[]
  readonly outputs: readonly PortInfo[]
  readonly runNow: Session['runNow']
  readonly #ort: OrtModule
  readonly #runner: Runner
  /** the model has an output that keeps results from being copied */
  readonly #inPlace: boolean
  /** all outputs, to be computed into memory of the runtime's own */
  readonly #all: Readonly<Record<string, null>>

  constructor(ort: OrtModule, runner: Runner) {
    this.#ort = ort
    this.#runner = runner
    const { inputs, outputs, runNow } = runner
    this.inputs = inputs
    this.outputs = outputs.filter(({ name }) => !isRefusedOutput(name))
    this.#inPlace = this.outputs.length < outputs.length
    this.#all = Object.fromEntries(this.outputs.map(({ name }) => [name, null]))
    this.runNow =
      runNow &&
      ((feeds, asked) => {
        const inputs = this.#inputsFrom(feeds)
        const fetches = this.#fetches(asked)
        try {
          return tensorsFromOrt(runNow(inputs, fetches))
        } catch (cause) {
          throw runError(cause)
        }
      })
  }

  async run(feeds: NamedTensors, outputs?: readonly string[]): Promise<Record<string, Tensor>> {
    const inputs = this.#inputsFrom(feeds)
    const fetches = this.#fetches(outputs)
    try {
      return tensorsFromOrt(await this.#runner.run(inputs, fetches))
    } catch (cause) {
      throw runError(cause)
    }
  }

  #fetches(outputs: readonly string[] | undefined): Readonly<Record<string, null>> {
    if (!outputs?.length) return this.#all
    const asked: Record<string, null> = {}
    for (const name of outputs) {
      if (!Object.hasOwn(this.#all, name)) {
        const known = Object.keys(this.#all)
        throw new QuernError('input', `the model has no output '${name}'. ${suggestion(name, known)}`)
      }
      asked[name] = null
    }
    return asked
  }

  bind(feeds: NamedTensors, results: NamedTensors): BoundRun {
    const inputs = this.#inputsFrom(feeds)
    const bytes = Object.values(results).reduce((sum, { data }) => sum + (data as Uint8Array).byteLength, 0)
    const isRefused = this.#inPlace && bytes > freeBytes
    const outputs = { ...(isRefused && refusedOutput), ...this.#native(results) }
    return {
      run: async () => {
        try {
          await this.#runner.run(inputs, outputs)
        } catch (cause) {
          if (!isRefused || !isRefusal(messageOf(cause))) throw runError(cause)
        }
      },
    }
  }

  release(): Promise<void> {
    return this.#runner.release()
  }

  #inputsFrom(feeds: NamedTensors): OrtTensors {
    this.#check(feeds)
    return this.#native(feeds)
  }

  #native(tensors: NamedTensors): OrtTensors {
    const native: OrtTensors = {}
    for (const name in tensors) {
      const { dtype, data, shape } = tensors[name]!
      native[name] = new this.#ort.Tensor(dtype as Ort.Tensor.Type, data as Ort.Tensor.DataType, [...shape])
    }
    return native
  }

  /** Names the input that is wrong: the runtime's own message shows only indices of dimensions. */
  #check(feeds: NamedTensors): void {
    for (const { name, dtype, shape } of this.inputs) {
      const fed = feeds[name]
      if (!fed) {
        throw new QuernError(
          'input',
          `the model needs the input '${name}', received ${Object.keys(feeds).join(', ') || 'none'}`,
        )
      }
      if (dtype && fed.dtype !== dtype) {
        throw new QuernError('input', `input '${name}' must be ${dtype}, received ${fed.dtype}`)
      }
      const fits =
        shape?.length === fed.shape.length && shape.every((dim, i) => typeof dim === 'string' || dim === fed.shape[i])
      if (shape && !fits) {
        throw new QuernError(
          'input',
          `input '${name}' must have the shape ${formatShape(shape)}, received ${formatShape(fed.shape)}`,
        )
      }
    }
  }
}

function portInfo(metadata: Ort.InferenceSession.ValueMetadata): PortInfo {
  if (!metadata.isTensor) return { name: metadata.name, dtype: undefined, shape: undefined }
  const shape = metadata.shape.map((dim) => (dim === '' ? unknownDim : dim))
  return { name: metadata.name, dtype: metadata.type as DType, shape: isStatic(shape) ? [...shape] : shape }
}

function tensorsFromOrt(found: OrtTensors): Record<string, Tensor> {
  const results: Record<string, Tensor> = {}
  for (const name in found) {
    const { type, dims, data } = found[name]!
    results[name] = { dtype: type as DType, shape: [...dims], data: data as Tensor['data'] }
  }
  return results
}

function runError(cause: unknown): QuernError {
  return new QuernError('input', `the runtime failed: ${clean(messageOf(cause))}`, { cause })
}

/** The runtime's message without the C++ source positions in front. */
function clean(message: string): string {
  return message.replaceAll(/\S+\.(?:cc|h):\d+ \S.*?\) ?/g, '').trim()
}
